import logo from '../logo/lapis.svg';
import { strings } from '../strings.ts';

interface EmptyChatProps {
  demo: boolean;
  onExample: (text: string) => void;
  onSettings: () => void;
}

/** What a conversation shows before its first message. */
export function EmptyChat({ demo, onExample, onSettings }: EmptyChatProps) {
  return (
    <div class="empty">
      <img src={logo} alt="" width="64" height="64" />
      <h2>{strings.empty.title}</h2>
      <p>{strings.empty.text}</p>
      <ul class="examples" aria-label={strings.empty.examples}>
        {(demo ? strings.empty.demoExamples : strings.empty.modelExamples).map((example) => (
          <li key={example}>
            <button type="button" onClick={() => onExample(example)}>
              {example}
            </button>
          </li>
        ))}
      </ul>
      {demo && (
        <p class="demo-note">
          {strings.empty.demoNote}{' '}
          <button type="button" class="link" onClick={onSettings}>
            {strings.empty.demoNoteLink}
          </button>
          .
        </p>
      )}
    </div>
  );
}
