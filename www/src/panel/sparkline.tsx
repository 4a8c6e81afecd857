/** Changes per second over the last minute, as bars; the latest number is written out beside. */
import { count } from "../format";

const HEIGHT = 40;

export function Sparkline({ values }: { values: readonly number[] }) {
  const most = Math.max(0, ...values);
  const latest = values.at(-1) ?? 0;
  return (
    <figure class="spark">
      <svg viewBox={`0 0 ${values.length} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {values.map((value, i) => {
          const height = (value / Math.max(1, most)) * HEIGHT;
          return <rect key={i} x={i + 0.1} y={HEIGHT - height} width={0.8} height={height} />;
        })}
      </svg>
      <figcaption>
        <span>
          <b>{count(latest)}</b> changes/s
        </span>
        <span class="quiet">peak {count(most)}/s</span>
      </figcaption>
    </figure>
  );
}
