import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { formatBytes } from '../format.ts';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';

export interface License {
  name: string;
  url: string;
}

/** Under which terms a model comes. Only a web address becomes a link: a file may have written anything else there. */
export function LicenseLink({ license }: { license: License }) {
  if (!/^https?:\/\//i.test(license.url)) return <bdi>{license.name}</bdi>;
  return (
    <a href={license.url} target="_blank" rel="noopener noreferrer">
      <bdi>{license.name}</bdi>
    </a>
  );
}

const GEMMA_TERMS = /^https:\/\/ai\.google\.dev\/gemma\//;

interface TermsProps {
  license: License;
  bytes: number;
  /** Named by the button, which stays dead until the terms are accepted. */
  label: string;
  onAccept: () => void;
  onCancel: () => void;
}

/** The terms of a model, before its first download. */
export function Terms({ license, bytes, label, onAccept, onCancel }: TermsProps) {
  const accepted = useSignal(false);
  const box = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => box.current?.focus(), []);
  return (
    <fieldset
      class="terms"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onCancel();
      }}
    >
      <legend class="visually-hidden">{license.name}</legend>
      <p>{GEMMA_TERMS.test(license.url) ? strings.terms.gemma : strings.terms.other}</p>
      <label class="check">
        <input
          ref={box}
          type="checkbox"
          onChange={(event) => {
            accepted.value = event.currentTarget.checked;
          }}
        />
        <span>
          {strings.terms.accept} <LicenseLink license={license} />
        </span>
      </label>
      <div class="actions">
        <button type="button" class="button primary" disabled={!accepted.value} aria-label={label} onClick={onAccept}>
          {icons.download}
          {strings.download.button(formatBytes(bytes))}
        </button>
        <button type="button" class="button" onClick={onCancel}>
          {strings.terms.notNow}
        </button>
      </div>
    </fieldset>
  );
}
