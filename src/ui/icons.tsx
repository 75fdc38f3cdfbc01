import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

/** The icons of the pages: 20-unit strokes in the text's colour, hidden from screen readers (their buttons have names). */
export const icons = {
  send: (
    <Icon>
      <path d="M10 16V4M4.5 9.5 10 4l5.5 5.5" />
    </Icon>
  ),
  stop: (
    <Icon>
      <rect x="5.5" y="5.5" width="9" height="9" rx="2" fill="currentColor" />
    </Icon>
  ),
  copy: (
    <Icon>
      <rect x="7" y="7" width="9" height="9" rx="2" />
      <path d="M13 4.5A1.5 1.5 0 0 0 11.5 3.5H5.5A2 2 0 0 0 3.5 5.5v6A1.5 1.5 0 0 0 4.5 13" />
    </Icon>
  ),
  check: (
    <Icon>
      <path d="m4.5 10.5 3.5 3.5 7.5-8" />
    </Icon>
  ),
  retry: (
    <Icon>
      <path d="M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3.5v3h-3" />
    </Icon>
  ),
  newChat: (
    <Icon>
      <path d="M9 4H5.5A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16h9a1.5 1.5 0 0 0 1.5-1.5V11" />
      <path d="m14.6 3.6 1.8 1.8-6.2 6.2-2.3.5.5-2.3Z" />
    </Icon>
  ),
  settings: (
    <Icon>
      <path d="M3.5 6h5M13.5 6h3M3.5 14h3M11.5 14h5" />
      <circle cx="11" cy="6" r="2.2" />
      <circle cx="9" cy="14" r="2.2" />
    </Icon>
  ),
  close: (
    <Icon>
      <path d="m5.5 5.5 9 9M14.5 5.5l-9 9" />
    </Icon>
  ),
  down: (
    <Icon>
      <path d="M10 4v12M4.5 10.5 10 16l5.5-5.5" />
    </Icon>
  ),
  download: (
    <Icon>
      <path d="M10 3.5v9M6 9l4 4 4-4M4 16.5h12" />
    </Icon>
  ),
  file: (
    <Icon>
      <path d="M11.5 3H6.5A1.5 1.5 0 0 0 5 4.5v11A1.5 1.5 0 0 0 6.5 17h7a1.5 1.5 0 0 0 1.5-1.5V6.5ZM11.5 3v3.5H15" />
    </Icon>
  ),
  folder: (
    <Icon>
      <path d="M3 6V5.5A1.5 1.5 0 0 1 4.5 4h3l2 2h6A1.5 1.5 0 0 1 17 7.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 14.5Z" />
    </Icon>
  ),
  pause: (
    <Icon>
      <path d="M7.5 5v10M12.5 5v10" />
    </Icon>
  ),
  play: (
    <Icon>
      <path d="M7 5v10l8-5Z" />
    </Icon>
  ),
  warning: (
    <Icon>
      <path d="M10 3.5 2.8 16h14.4ZM10 8.5v3.5M10 14.2v.1" />
    </Icon>
  ),
};
