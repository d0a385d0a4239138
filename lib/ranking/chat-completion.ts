/** What a chat endpoint answered, as far as it can be used. */
export type Completion = { content: string } | { malformed: string };

/** Tokens that an answer says it took; 0 where it does not say. */
export interface CompletionTokens {
  promptTokens: number;
  completionTokens: number;
}

/** Reads the answer of `POST /chat/completions`. Nothing in it is trusted: it is text from elsewhere. */
export function readCompletion(body: string): { completion: Completion; tokens: CompletionTokens } {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return {
      completion: { malformed: 'the answer is no JSON' },
      tokens: { promptTokens: 0, completionTokens: 0 },
    };
  }
  const usage = field(answer, 'usage');
  const tokens = {
    promptTokens: tokenCount(field(usage, 'prompt_tokens')),
    completionTokens: tokenCount(field(usage, 'completion_tokens')),
  };
  return { completion: completionOf(answer), tokens };
}

function completionOf(answer: unknown): Completion {
  const choices = field(answer, 'choices');
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const message = field(choice, 'message');
  const refusal = field(message, 'refusal');
  if (typeof refusal === 'string' && refusal !== '') return { malformed: 'the model refused' };
  const finish = field(choice, 'finish_reason');
  if (finish === 'length') return { malformed: 'the answer was cut off; raise max_tokens in parameters' };
  if (finish === 'content_filter') return { malformed: "the endpoint's content filter stopped the answer" };
  const content = field(message, 'content');
  if (typeof content !== 'string') return { malformed: 'the answer has no choices[0].message.content' };
  return { content };
}

/** The message in an error's body, in the shapes of OpenAI, vLLM, FastAPI and Ollama. */
export function readErrorMessage(body: string): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return undefined;
  }
  const error = field(answer, 'error');
  return [field(error, 'message'), error, field(answer, 'message'), field(answer, 'detail')].find(
    (message): message is string => typeof message === 'string',
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function tokenCount(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;
}
