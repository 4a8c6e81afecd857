/** The games as a strip of cards. */
import { start } from "../format";
import type { Page } from "../page";
import { Bases } from "./bases";
import type { Drawn } from "./games";
import type { Card, Side } from "./model";

export function GameStrip({ page }: { page: Page }) {
  const cards = page.cards.value;
  if (cards.length === 0) return null;
  return (
    <section class="strip" aria-label="MLB games" tabIndex={0}>
      {cards.map((drawn) => (
        <GameCard key={drawn.card.pk} {...drawn} />
      ))}
    </section>
  );
}

function GameCard({ card, current }: Drawn) {
  return (
    <article
      class={`game game-${card.phase}${current ? "" : " game-old"}`}
      data-testid={`game-${card.pk}`}
      data-timecode={card.timecode}
      data-at-bat={card.atBat}
      aria-label={`${card.away.name} at ${card.home.name}`}
    >
      <div class="game-sides">
        <Team side={card.away} ahead={(card.away.score ?? 0) > (card.home.score ?? 0)} />
        <Team side={card.home} ahead={(card.home.score ?? 0) > (card.away.score ?? 0)} />
      </div>
      <State card={card} />
      <p class="game-play" data-testid={`play-${card.pk}`} title={card.play}>
        {card.phase === "before" ? card.detail : card.play}
      </p>
      {card.phase === "live" && (
        <p class="game-pitch quiet">{card.play ? card.pitch : duel(card)}</p>
      )}
    </article>
  );
}

/** Who faces whom, or the upstream's word for a game that has nobody at bat. */
function duel({ batter, pitcher, detail }: Card): string {
  return batter && pitcher ? `${batter} against ${pitcher}` : detail;
}

function Team({ side, ahead }: { side: Side; ahead: boolean }) {
  return (
    <div class={ahead ? "team team-ahead" : "team"}>
      <abbr title={side.name}>{side.abbr}</abbr>
      <b key={side.score}>{side.score ?? ""}</b>
    </div>
  );
}

function State({ card }: { card: Card }) {
  if (card.phase !== "live") {
    return <div class="game-state quiet">{card.phase === "over" ? "Final" : start(card.start, Date.now()) || card.detail}</div>;
  }
  return (
    <div class="game-state">
      <span class="game-inning" aria-label={card.inning?.words}>
        {card.inning && (
          <>
            <i>{card.inning.arrow}</i> {card.inning.number}
          </>
        )}
      </span>
      <Bases bases={card.bases} />
      <span class="game-count" aria-label={`${card.balls} balls, ${card.strikes} strikes`}>
        {card.balls}–{card.strikes}
      </span>
      <span class="outs" role="img" aria-label={`${card.outs} out`}>
        {[1, 2, 3].map((n) => (
          <i key={n} class={n <= card.outs ? "out" : ""} />
        ))}
      </span>
    </div>
  );
}
