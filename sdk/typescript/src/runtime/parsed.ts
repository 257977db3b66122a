import type * as types from '../generated/types.js';
import { ContentFilterFinishReasonError, LengthFinishReasonError } from './errors.js';
import { parseText, type Schema } from './schemas.js';

export type ParsedMessage<T> = types.ChatCompletionMessage & {
  /** Null where the model refused, or called tools instead. */
  parsed: T | null;
};
export type ParsedChoice<T> = Omit<types.Choice, 'message'> & { message: ParsedMessage<T> };
export type ParsedChatCompletion<T> = Omit<types.ChatCompletion, 'choices'> & { choices: ParsedChoice<T>[] };

/** A completion with each message's `parsed`. */
export async function parseCompletion<T>(
  schema: Schema<T> | undefined,
  completion: types.ChatCompletion,
): Promise<ParsedChatCompletion<T>> {
  const choices = await Promise.all(completion.choices.map((choice) => parseChoice(schema, choice)));
  return Object.assign(completion, { choices });
}

async function parseChoice<T>(schema: Schema<T> | undefined, choice: types.Choice): Promise<ParsedChoice<T>> {
  const { finish_reason, message } = choice;
  if (schema && finish_reason === 'length') {
    throw new LengthFinishReasonError('The answer was cut at the limit of tokens: raise max_completion_tokens.');
  }
  if (schema && finish_reason === 'content_filter') {
    throw new ContentFilterFinishReasonError('The content filter ended the answer.');
  }
  const whole = schema && message.content && !message.tool_calls?.length && !message.refusal;
  return { ...choice, message: { ...message, parsed: whole ? await parseText(schema, message.content ?? '') : null } };
}
