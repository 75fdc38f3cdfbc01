import * as v from 'valibot';
import type { DoorRequest } from './door.ts';
import { DOOR_LIMITS, DOOR_NAME } from './door.ts';
import { LapisError } from './errors.ts';

/** Says what is wrong with an object: not one, a field too few or a field too many. */
function objectFault(issue: v.StrictObjectIssue): string {
  if (issue.expected === 'never') return 'is not a field of this message';
  // A missing field: valibot names the field itself as what it expected.
  if (issue.expected.startsWith('"')) return 'is missing';
  return 'must be an object';
}

const object = <T extends v.ObjectEntries>(entries: T) => v.strictObject(entries, objectFault);

const text = (most: number) => {
  const fault = `must be a string of at most ${most.toLocaleString('en')} characters`;
  return v.pipe(v.string(fault), v.maxLength(most, fault));
};

const number = (least: number, most: number) => {
  const fault = `must be a number from ${least} to ${most}`;
  return v.pipe(v.number(fault), v.minValue(least, fault), v.maxValue(most, fault));
};

const integer = (least: number, most: number) => {
  const fault = `must be a whole number from ${least} to ${most}`;
  return v.pipe(v.number(fault), v.integer(fault), v.minValue(least, fault), v.maxValue(most, fault));
};

/** Counts before it looks inside: a list of a million items is refused without a visit to each. */
const list = <T extends v.GenericSchema>(item: T, least: number, most: number) => {
  const fault = `must be a list of ${least} to ${most} items`;
  return v.pipe(
    v.custom<unknown[]>((value) => Array.isArray(value) && value.length >= least && value.length <= most, fault),
    v.array(item, fault),
  );
};

const id = v.pipe(
  text(DOOR_LIMITS.idCharacters),
  v.minLength(1, `must be a string of 1 to ${DOOR_LIMITS.idCharacters} characters`),
);

const prompt = v.variant(
  'kind',
  [
    object({ kind: v.literal('completion'), text: text(DOOR_LIMITS.promptCharacters) }),
    object({
      kind: v.literal('chat'),
      messages: v.pipe(
        list(
          object({
            role: v.picklist(['system', 'user', 'assistant'], 'must be "system", "user" or "assistant"'),
            content: text(DOOR_LIMITS.promptCharacters),
          }),
          1,
          DOOR_LIMITS.messages,
        ),
        v.check(
          (messages) => messages.slice(1).every(({ role }) => role !== 'system'),
          'may have a system message only at the front',
        ),
        v.check(
          (messages) => messages.reduce((sum, { content }) => sum + content.length, 0) <= DOOR_LIMITS.promptCharacters,
          `must have at most ${DOOR_LIMITS.promptCharacters.toLocaleString('en')} characters in all`,
        ),
      ),
    }),
  ],
  'must be {kind: "completion", text} or {kind: "chat", messages}',
);

const sampling = object({
  temperature: v.optional(number(0, 10)),
  topK: v.optional(integer(0, 1_000_000)),
  topP: v.optional(number(0, 1)),
  minP: v.optional(number(0, 1)),
  // Zero would divide by zero.
  repetitionPenalty: v.optional(number(0.1, 10)),
  presencePenalty: v.optional(number(-10, 10)),
  frequencyPenalty: v.optional(number(-10, 10)),
  penaltyWindow: v.optional(integer(0, 1_000_000)),
  seed: v.optional(integer(0, 0xffff_ffff)),
});

const stopString = v.pipe(
  text(DOOR_LIMITS.stopCharacters),
  v.minLength(1, `must be a string of 1 to ${DOOR_LIMITS.stopCharacters} characters`),
);

const request = v.variant(
  'type',
  [
    object({
      type: v.literal('generate'),
      id,
      request: object({
        prompt,
        sampling: v.optional(sampling),
        maxTokens: v.optional(integer(1, DOOR_LIMITS.maxTokens)),
        stop: v.optional(list(stopString, 0, DOOR_LIMITS.stopStrings)),
      }),
      name: v.optional(text(DOOR_LIMITS.nameCharacters)),
    }),
    object({ type: v.literal('cancel'), id }),
    object({ type: v.literal('status'), id }),
  ],
  'must be an object whose type is "generate", "cancel" or "status"',
);

/**
 * What a stranger sent, if it is a request of the protocol.
 * @throws LapisError `bad-request` with a sentence that names the field and what it must be; never what was in it.
 */
export function parseDoorRequest(message: unknown): DoorRequest {
  const result = v.safeParse(request, message, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue)?.slice(0, 100);
  // A variant reports its discriminating key as the place, with a message about the whole.
  const subject = issue.type === 'variant' ? path?.replace(/\.?(type|kind)$/, '') : path;
  throw new LapisError(
    'bad-request',
    `The message does not fit ${DOOR_NAME}: ${subject ? `"${subject}"` : 'it'} ${issue.message}.`,
  );
}

/** The id of a message that may not fit the protocol, so that its sender can tell which one it was. */
export function idOf(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const result = v.safeParse(id, (message as { id?: unknown }).id);
  return result.success ? result.output : undefined;
}
