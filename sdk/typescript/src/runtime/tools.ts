// Functions that a model may call, and the loop that runs them.
import type * as params from '../generated/params.js';
import type * as types from '../generated/types.js';
import { NovAIError } from './errors.js';
import { type Infer, jsonSchema, parseText, type Schema } from './schemas.js';

const MAX_ROUNDS = 10;
const RUN: unique symbol = Symbol('run'); // a symbol, so that it is not sent

/** A tool with the function behind it. */
export interface RunnableTool extends params.FunctionTool {
  [RUN](args: string): Promise<string>;
}

/** A function whose arguments are those of a schema, of zod or the like. What it returns is told to the model as JSON. */
export function tool<S extends Schema>(definition: {
  name: string;
  description?: string;
  parameters: S;
  run: (args: Infer<S>) => unknown;
}): RunnableTool {
  const { name, description, parameters, run } = definition;
  return {
    type: 'function',
    function: { name, description, parameters: jsonSchema(parameters), strict: true },
    async [RUN](args) {
      const returned = await run(await parseText(parameters as Schema<Infer<S>>, args));
      return typeof returned === 'string' ? returned : (JSON.stringify(returned) ?? '');
    },
  };
}

export type ToolRunRequest = Omit<params.ChatCompletionRequest, 'stream' | 'tools'> & {
  tools: ReadonlyArray<RunnableTool>;
};

export interface ToolRun {
  /** The last answer, which calls no tool. */
  completion: types.ChatCompletion;
  /** The whole conversation, with it. */
  messages: params.ChatMessage[];
}

export async function runTools(
  create: (body: params.ChatCompletionRequest & { stream?: false }) => PromiseLike<types.ChatCompletion>,
  body: ToolRunRequest,
  maxRounds = MAX_ROUNDS,
): Promise<ToolRun> {
  const messages = [...body.messages];
  for (let round = 0; round < maxRounds; round++) {
    const completion = await create({ ...body, messages });
    const message = completion.choices[0]?.message;
    if (!message) throw new NovAIError('The answer has no choices.');
    messages.push(message);
    if (!message.tool_calls?.length) return { completion, messages };
    messages.push(...(await Promise.all(message.tool_calls.map((call) => answerTo(call, body.tools)))));
  }
  throw new NovAIError(`The model went on calling tools for ${maxRounds} rounds.`);
}

/** What a tool returned; or what went wrong, so that the model can do better. */
async function answerTo(
  { id, function: called }: types.ToolCall,
  tools: ReadonlyArray<RunnableTool>,
): Promise<params.ToolMessage> {
  const known = tools.find((each) => each.function.name === called.name);
  const content = known ? await known[RUN](called.arguments).catch(String) : `There is no tool ${called.name}.`;
  return { role: 'tool', tool_call_id: id, content };
}
