/** A line's values as this page saw them, as a step chart; the words for it stand beside. */

const WIDTH = 44;
const HEIGHT = 14;

export function stepPath(values: readonly number[], width: number, height: number): string {
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const step = width / values.length;
  let path = "";
  values.forEach((value, i) => {
    const y = (height - ((value - low) / span) * height).toFixed(1);
    path += i === 0 ? `M0 ${y}` : `V${y}`;
    path += `H${((i + 1) * step).toFixed(1)}`;
  });
  return path;
}

export function Steps({ values }: { values: readonly number[] }) {
  return (
    <svg class="steps" width={WIDTH} height={HEIGHT + 2} viewBox={`0 -1 ${WIDTH} ${HEIGHT + 2}`} aria-hidden="true">
      <path d={stepPath(values, WIDTH, HEIGHT)} />
    </svg>
  );
}
