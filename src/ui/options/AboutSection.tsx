import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';

/** What this Lapis is. */
export function AboutSection({ platform }: { platform: Platform }) {
  return (
    <>
      <p class="lead">{strings.about.lead}</p>
      <p class="quiet">{strings.about.version(platform.version)}</p>
    </>
  );
}
