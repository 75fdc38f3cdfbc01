import type { ComponentChildren } from 'preact';
import { Name } from '../host/Name.tsx';

interface CardHeadProps {
  name: string;
  /** At the end of the line. */
  size?: string;
  /** Badges. */
  children?: ComponentChildren;
}

/** The first line of a model's card. */
export function CardHead({ name, size, children }: CardHeadProps) {
  return (
    <div class="card-head">
      <h4 title={name}>
        <Name>{name}</Name>
      </h4>
      {children}
      {size && <span class="size">{size}</span>}
    </div>
  );
}
