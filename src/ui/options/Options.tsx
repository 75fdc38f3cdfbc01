import type { Consents } from '../../protocol/consent.ts';
import { DiagnosticsSection } from '../diagnostics/DiagnosticsSection.tsx';
import type { HostState } from '../host/host-state.ts';
import { Trouble } from '../host/Trouble.tsx';
import logo from '../logo/lapis.svg';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';
import { AboutSection } from './AboutSection.tsx';
import { AllowedCallers } from './AllowedCallers.tsx';
import { GenerationSection } from './GenerationSection.tsx';
import { ModelsSection } from './ModelsSection.tsx';

interface OptionsProps {
  state: HostState;
  platform: Platform;
  consents: Consents;
}

/** The settings page. */
export function Options({ state, platform, consents }: OptionsProps) {
  const unreachable = state.unreachable.value;
  const sections = [
    { id: 'models', title: strings.options.models, body: <ModelsSection state={state} platform={platform} /> },
    { id: 'generation', title: strings.options.generation, body: <GenerationSection state={state} /> },
    { id: 'extensions', title: strings.options.callers, body: <AllowedCallers consents={consents} /> },
    {
      id: 'diagnostics',
      title: strings.options.diagnostics,
      body: <DiagnosticsSection state={state} platform={platform} />,
    },
    { id: 'about', title: strings.options.about, body: <AboutSection platform={platform} /> },
  ];
  return (
    <div class="page">
      <header class="side">
        <h1>
          <img src={logo} alt="" width="36" height="36" />
          {strings.options.title}
        </h1>
        <nav aria-label={strings.options.sections}>
          {sections.map(({ id, title }) => (
            <a key={id} href={`#${id}`}>
              {title}
            </a>
          ))}
        </nav>
      </header>
      <main>
        {unreachable && (
          <Trouble error={unreachable.toPayload()}>
            <button type="button" class="button small" onClick={() => state.reconnect()}>
              {strings.status.tryAgain}
            </button>
          </Trouble>
        )}
        {sections.map(({ id, title, body }) => (
          <section key={id} id={id} aria-labelledby={`${id}-title`}>
            <h2 id={`${id}-title`}>{title}</h2>
            {body}
          </section>
        ))}
      </main>
    </div>
  );
}
