/** The diamond: third, second and first base, filled where there is a runner. */

const NAMES = ["first", "second", "third"];
const PLACES: [number, number][] = [
  [25, 14],
  [16, 5],
  [7, 14],
];

export function Bases({ bases }: { bases: readonly boolean[] }) {
  const taken = NAMES.filter((_, i) => bases[i]);
  return (
    <svg class="bases" width="32" height="20" viewBox="0 0 32 20" role="img" aria-label={taken.length ? `runners on ${taken.join(", ")}` : "bases empty"}>
      {PLACES.map(([x, y], i) => (
        <rect key={NAMES[i]} class={bases[i] ? "taken" : ""} x={x - 4} y={y - 4} width="8" height="8" rx="1" transform={`rotate(45 ${x} ${y})`} />
      ))}
    </svg>
  );
}
