//! What befalls a page: a slow link, a reader that takes nothing, sleep, the back/forward cache, the next visit, and the
//! moment in which the faults stop.

use cache_wasm::Input;

use crate::client::{Missed, Source, cache};
use crate::fills::Reply;
use crate::network::Conn;
use crate::world::{Event, World};

impl World {
    pub(crate) fn lag_of(&self, client: usize) -> u64 {
        let (delay, until) = self.clients[client].lag;
        if self.now < until { delay } else { 0 }
    }

    pub(crate) fn lag(&mut self, client: usize, delay: u64, during: u64) {
        self.coverage.note("link slow");
        self.say(|_| format!("page {client}'s link takes {delay} ms longer, for {during} ms"));
        self.clients[client].lag = (delay, self.now + during);
    }

    pub(crate) fn slow(&mut self, client: usize, during: u64) {
        if self.clients[client].is_idle() {
            return;
        }
        self.coverage.note("slow reader");
        self.say(|_| format!("page {client} takes nothing from its socket for {during} ms"));
        let until = self.now + during;
        self.clients[client].slow_until = until;
        self.at(until, Event::Wake(client));
    }

    pub(crate) fn sleep(&mut self, client: usize, during: u64, stands: bool) {
        if self.clients[client].is_idle() {
            return;
        }
        self.coverage.note(if stands { "page slept, its clock still" } else { "page slept, its clock on" });
        self.say(|_| {
            format!("page {client}'s machine sleeps for {during} ms (monotonic clock stands still: {stands})")
        });
        self.idle(client, during);
        if stands {
            self.clients[client].clock.sleep(self.now);
        }
    }

    pub(crate) fn freeze(&mut self, client: usize, during: u64) {
        if self.clients[client].is_idle() {
            return;
        }
        self.coverage.note("page frozen");
        self.say(|_| format!("page {client} is frozen for {during} ms, and its socket dies"));
        self.idle(client, during);
        self.kill(client);
    }

    fn idle(&mut self, client: usize, during: u64) {
        let until = self.now + during;
        self.clients[client].idle_until = Some(until);
        self.at(until, Event::Wake(client));
    }

    pub(crate) fn wall_jump(&mut self, client: usize, by: i64) {
        self.coverage.note(if by > 0 { "wall clock forward" } else { "wall clock back" });
        self.say(|_| format!("page {client}'s wall clock jumps by {by} ms"));
        self.clients[client].clock.jump(by);
    }

    /// A page goes on: a read comes first, then what it missed, all at once.
    pub(crate) fn wake(&mut self, client: usize) {
        let page = &mut self.clients[client];
        if page.idle_until.is_some_and(|until| until > self.now) || page.slow_until > self.now {
            return;
        }
        let was_idle = page.idle_until.take().is_some();
        if was_idle {
            page.clock.rise(self.now);
            self.say(|_| format!("page {client} goes on"));
            self.check_page(client);
        }
        let woke_first = was_idle && self.rng.bool();
        if woke_first {
            self.woke(client);
        }
        while let Some(missed) = self.clients[client].missed.pop_front() {
            match missed {
                Missed::Message(id, bytes) => {
                    self.message(client, id, &bytes);
                    self.check_page(client);
                }
                Missed::Closed(id, code) => self.closed(id, code),
                Missed::Answer(ask, reply) => self.answered(ask, reply),
                Missed::Alarm => self.woke(client),
            }
        }
        if was_idle && !woke_first {
            self.woke(client);
        }
        self.set_alarm(client);
    }

    /// The page hears of an answer, unless it does nothing just now.
    pub(crate) fn miss_answer(&mut self, client: usize, ask: u64, reply: Reply) {
        self.clients[client].missed.push_back(Missed::Answer(ask, reply));
    }

    /// The page ends; the next visit takes up what it leaves.
    pub(crate) fn revisit(&mut self, client: usize) {
        if self.clients[client].is_idle() || self.now < self.clients[client].slow_until {
            return;
        }
        self.coverage.note("page ended and began anew");
        self.say(|_| format!("page {client} ends, and the next visit takes up what it leaves"));
        let seed = self.rng.u64(..);
        self.hang_up(client);
        let page = &mut self.clients[client];
        let before = std::mem::replace(&mut page.manager, cache(seed));
        let known = std::mem::take(&mut page.known);
        let follows = std::mem::take(&mut page.follows);
        page.visit += 1;
        page.clock = page.clock.anew(self.now);
        page.missed.clear();
        (page.alarm_at, page.lag) = (None, (0, 0));
        for (slot, known) in known {
            if let Some(record) = before.record(slot) {
                let source = known.at.map(Source::Answer);
                let restored = self.call(client, source.as_ref(), |manager, now| manager.restore(record, None, now));
                restored.is_ok().then(|| self.coverage.note("earlier visit's value taken up"));
            }
        }
        for (scope, position) in before.positions() {
            self.call(client, None, |manager, _| manager.remember(scope, position));
        }
        for (of, followed) in follows {
            self.follow(client, of);
            if let Some(again) = self.clients[client].follows.get_mut(&of) {
                (again.began, again.farthest) = (followed.began, followed.farthest);
            }
            self.note_progress(client);
        }
    }

    /// Faults stop: the page goes on, and the network is back. What broke the order or was never greeted is closed; that
    /// nothing comes over a dead connection is for the page to notice.
    pub(crate) fn relieve(&mut self, client: usize) {
        let page = &mut self.clients[client];
        page.idle_until = page.idle_until.map(|_| self.now);
        page.slow_until = 0;
        page.lag = (0, 0);
        self.wake(client);
        let is_live = self.is_live(client);
        let conn = self.clients[client].conn;
        let is_over = |conn: &Conn| conn.is_broken || (conn.is_dead() && !is_live);
        if let Some(id) = conn.filter(|id| self.conns.get(id).is_some_and(is_over)) {
            self.drop_serving(id);
            self.closed(id, crate::server::CLOSED_ABNORMALLY);
        }
        self.go_online(client);
    }

    /// Whether it was greeted, as far as it knows.
    fn is_live(&mut self, client: usize) -> bool {
        let page = &mut self.clients[client];
        let now = page.clock.now(self.now);
        page.manager.stats(now).stream.state == "live"
    }

    /// Whether its connection is dead and it does not know.
    pub(crate) fn is_deceived(&self, client: usize) -> bool {
        let conn = self.clients[client].conn.and_then(|id| self.conns.get(&id));
        conn.is_some_and(Conn::is_dead)
    }

    /// The browser says that the network is back.
    pub(crate) fn go_online(&mut self, client: usize) {
        self.call(client, None, |manager, now| manager.handle(Input::Online, now));
    }
}
