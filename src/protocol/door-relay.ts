import * as v from 'valibot';

/*
 * The service worker's part in the door: a client that connects while there is no offscreen document yet has only the service worker
 * at the other end, which passes its messages on over a port of its own. The first message on that port says who the client is.
 */

/** The name of the service worker's port; not the door's prefix, so that no client's port is taken for one. */
export const RELAY_PORT = 'door-relay';

const openingSchema = v.strictObject({
  /** Date.now() when the service worker got the client's port. */
  openedAt: v.number(),
  external: v.boolean(),
  name: v.string(),
  sender: v.object({
    id: v.optional(v.string()),
    origin: v.optional(v.string()),
    url: v.optional(v.string()),
    documentId: v.optional(v.string()),
    tabId: v.optional(v.number()),
  }),
});

/** Who is at the client's end, copied from the browser's `MessageSender`. */
export type DoorSender = v.InferOutput<typeof openingSchema>['sender'];

/** From the service worker, first. */
export type RelayOpening = v.InferOutput<typeof openingSchema>;

/** From the offscreen document, first. `direct`: it got the client's port itself, so there is nothing to pass on. */
export interface RelayAnswer {
  lapis: 'relay' | 'direct';
}

/** The opening of a relay, if the message is one. */
export function parseRelayOpening(message: unknown): RelayOpening | undefined {
  const result = v.safeParse(openingSchema, message);
  return result.success ? result.output : undefined;
}

/** The fields of a sender that the door looks at. */
export function doorSender(sender: chrome.runtime.MessageSender | undefined): DoorSender {
  return {
    id: sender?.id,
    origin: sender?.origin,
    url: sender?.url,
    documentId: sender?.documentId,
    tabId: sender?.tab?.id,
  };
}
