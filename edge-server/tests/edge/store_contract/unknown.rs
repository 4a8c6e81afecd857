//! A commit whose outcome its producer never learned: given up at any moment, and sent again.

use std::future::poll_fn;
use std::task::Poll;

use edge_server::store::Producer;

use super::*;

/// Polls a future so often at most, and drops it: whether it was done by then.
async fn given_up<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let done = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
        if done {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// However far the first attempt came, the batch is committed once, whole, and announced once.
pub(super) async fn a_batch_whose_outcome_is_unknown_is_sent_again_and_committed_once(
    open: impl AsyncFn(Options) -> Opened,
) {
    // With no room the first attempt is given up before it did anything, with room after it did everything.
    for (announcements, waiting) in [(1, 1), (64, 1), (64, 0)] {
        for polls in [1, 2, 5, 50] {
            let mut opened = open(Options { announcements, ..DEFAULTS }).await;
            for number in 0..waiting {
                opened.commit(&[write("s:a:before", number + 1, &number.to_string())]).await;
            }
            let batch = || Batch {
                writes: vec![write("s:a:1", 1, "1"), write("s:a:2", 1, "2")],
                producer: Some(Producer { name: "ingest".into(), sequence: 1, fence: 1 }),
                ..Batch::default()
            };
            let done = given_up(opened.store.commit(opened.partition(), batch(), NOW), polls).await;
            for _ in 0..waiting {
                soon("what was announced before", opened.announced.recv()).await.unwrap();
            }
            let again = opened.store.commit(opened.partition(), batch(), NOW).await.unwrap();
            assert_eq!(
                again.fates,
                [Fate::Changed; 2],
                "{announcements} {polls} {done}: as the first would have been told"
            );
            assert_eq!(again.position, opened.head().await);
            let announced = soon("the announcement", opened.announced.recv()).await.unwrap();
            assert_eq!((announced.position, announced.items.len()), (again.position, 2));
            assert_eq!(opened.announcements().await, [], "once");
        }
    }
}

/// Without a producer it is the same for whoever repeats what was observed then: equal content changes nothing.
pub(super) async fn a_write_that_is_repeated_with_its_time_wakes_nobody_and_overwrites_nothing_newer(
    open: impl AsyncFn(Options) -> Opened,
) {
    let mut opened = open(DEFAULTS).await;
    opened.commit(&[write("s:a:1", 5, "five")]).await;
    opened.announcements().await;
    assert_eq!(opened.commit(&[write("s:a:1", 5, "five")]).await.fates, [Fate::Unchanged]);
    opened.commit(&[write("s:a:1", 6, "six")]).await;
    opened.announcements().await;
    assert_eq!(opened.commit(&[write("s:a:1", 5, "five")]).await.fates, [Fate::Stale]);
    assert_eq!((opened.announcements().await, opened.text("s:a:1").await.as_deref()), (vec![], Some("six")));
}
