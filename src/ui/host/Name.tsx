import { strings } from '../strings.ts';

/** A name that somebody else gave, such as a model's: it turns round nothing but itself. */
export function Name({ children }: { children: string }) {
  return <bdi>{children || strings.models.unnamed}</bdi>;
}
