/** How consistent reads were with what was announced, by the server's own auditor. */
import { count } from "../format";
import { type Audit, type Horizon, judged, share } from "../live/audit";

export function AuditSection({ audit }: { audit: Audit }) {
  const horizons = audit.horizons.value;
  if (horizons === undefined) return null;
  return (
    <section>
      <h2>Consistency</h2>
      <dl>
        {horizons.map((horizon) => (
          <div key={horizon.after_ms} title={hint(horizon)}>
            <dt>{horizon.after_ms / 1_000} s after a change</dt>
            <dd data-testid={`audit-${horizon.after_ms / 1_000}`} data-value={horizon.violations}>
              {share(horizon)} <span class="quiet">of {count(judged(horizon))}</span>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function hint({ superseded, unknown, violations }: Horizon): string {
  return `${count(violations)} older than announced; ${count(superseded)} had changed again; of ${count(unknown)} more nothing can be said`;
}
