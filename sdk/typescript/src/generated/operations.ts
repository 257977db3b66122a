// Generated from openapi/spec.yaml by openapi/codegen/sdk.py. Do not edit.

import type { APIPromise } from '../runtime/api_promise.js';
import type { RequestOptions } from '../runtime/options.js';
import type { PagePromise } from '../runtime/pagination.js';
import { pathOf } from '../runtime/request.js';
import { Resource } from '../runtime/resource.js';
import type { Stream } from '../runtime/streaming.js';
import type * as params from './params.js';
import type * as types from './types.js';

export class ChatCompletionsInputTokens extends Resource {
  /**
   * Count the tokens of a chat completion's prompt.
   *
   * Tokens of the prompt as the model would see it, tools and template included. Nothing is generated and nothing is
   * charged; it counts as a request for the rate limits.
   */
  count(body: params.ChatCompletionRequest, options?: RequestOptions): APIPromise<types.InputTokens> {
    return this.client.request('POST', '/v1/chat/completions/input_tokens', { body, options });
  }
}

export class ChatCompletions extends Resource {
  /**
   * Create a chat completion.
   *
   * Answers a conversation. With `stream: true` the answer arrives as server-sent events while it is generated,
   * one `ChatCompletionChunk` each, then `data: [DONE]`. Until the model has accepted the request every failure is
   * an HTTP status; after that a failure is one event `data: {"error": …}` and the stream ends.
   *
   * When the client leaves, generation stops at once; what was generated until then is recorded.
   *
   * Tools of the type `novai_tool` are run by this server (`ServerTool`): the model is asked again with their
   * results, until it answers. `usage` is the sum of these rounds; each is admitted, limited and charged as a
   * request of its own, the n-th under the id of this one and `-n`.
   */
  create(body: params.ChatCompletionRequest & { stream: true }, options?: RequestOptions): APIPromise<Stream<types.ChatCompletionChunk>>;
  create(body: params.ChatCompletionRequest & { stream?: false | null | undefined }, options?: RequestOptions): APIPromise<types.ChatCompletion>;
  create(body: params.ChatCompletionRequest, options?: RequestOptions): APIPromise<types.ChatCompletion | Stream<types.ChatCompletionChunk>>;
  create(body: params.ChatCompletionRequest, options?: RequestOptions): APIPromise<types.ChatCompletion | Stream<types.ChatCompletionChunk>> {
    if (body.stream) return this.client.stream('POST', '/v1/chat/completions', { body, options });
    return this.client.request('POST', '/v1/chat/completions', { body, options });
  }
}

export class ResponsesInputTokens extends Resource {
  /**
   * Count the tokens of an input.
   *
   * As the model would see it, history, instructions and tools included. Free, but a request to the limits.
   */
  count(body: params.ResponsePrompt, options?: RequestOptions): APIPromise<types.InputTokens> {
    return this.client.request('POST', '/v1/responses/input_tokens', { body, options });
  }
}

export class ResponsesInputItems extends Resource {
  /**
   * List the input of a response.
   *
   * The items of its own request; those of earlier turns belong to `previous_response_id`. An `item_reference` is
   * listed as the item it stood for.
   */
  list(response_id: string, query: params.ResponsesInputItemsListQuery = {}, options?: RequestOptions): PagePromise<types.ResponseInputItem, types.ResponseItemList> {
    return this.client.page(pathOf('/v1/responses/{response_id}/input_items', { response_id }), 'last_id', { query, options });
  }
}

export class UsageRequests extends Resource {
  /**
   * Explain the bill of a request.
   *
   * What one request used and cost, and why: `request_id` is the `x-request-id` of its answer. Requests of projects that
   * the key cannot see do not exist for it (404), nor do those that were refused before anything was held.
   */
  retrieve(request_id: string, options?: RequestOptions): APIPromise<types.RequestUsage> {
    return this.client.request('GET', pathOf('/v1/usage/requests/{request_id}', { request_id }), { options });
  }
}

export class AdminProjects extends Resource {
  /** List projects. */
  list(options?: RequestOptions): PagePromise<types.AdminProject, types.AdminProjectList> {
    return this.client.page('/admin/v1/projects', null, { options });
  }

  /**
   * Create a project.
   *
   * Its name may stand in paths, so it has no `/` and is neither `.` nor `..` (400).
   */
  create(body: params.AdminCreateProject, options?: RequestOptions): APIPromise<types.AdminProject> {
    return this.client.request('POST', '/admin/v1/projects', { body, options });
  }

  /**
   * Archive a project.
   *
   * Its keys stop working within a second; its usage stays. A key cannot archive its own project.
   */
  archive(project: string, options?: RequestOptions): APIPromise<types.AdminProject> {
    return this.client.request('POST', pathOf('/admin/v1/projects/{project}/archive', { project }), { options });
  }

  /** Give a project another tier. */
  assignTier(project: string, body: params.AdminAssignTier, options?: RequestOptions): APIPromise<types.AdminProject> {
    return this.client.request('PUT', pathOf('/admin/v1/projects/{project}/tier', { project }), { body, options });
  }
}

export class AdminKeys extends Resource {
  /** List API keys. */
  list(query: params.AdminKeysListQuery = {}, options?: RequestOptions): PagePromise<types.AdminKey, types.AdminKeyList> {
    return this.client.page('/admin/v1/keys', 'last_id', { query, options });
  }

  /**
   * Create an API key.
   *
   * A key with the scope `models`, whose reach is the installation, is made and rotated only by keys that have it.
   */
  create(body: params.AdminCreateKey, options?: RequestOptions): APIPromise<types.AdminNewKey> {
    return this.client.request('POST', '/admin/v1/keys', { body, options });
  }

  /**
   * Revoke an API key.
   *
   * In force everywhere within a second.
   */
  revoke(key_id: string, options?: RequestOptions): APIPromise<types.AdminKey> {
    return this.client.request('POST', pathOf('/admin/v1/keys/{key_id}/revoke', { key_id }), { options });
  }

  /**
   * Rotate an API key.
   *
   * Makes a successor with the same scopes, models and limits, and the same term from now on where the key has one.
   * Both share the key's budgets and its rate limits. The old key is `rotated`: it works for `overlap_s` seconds more
   * but not beyond its own `expires_at`, with 0 for no more than a second, and can be revoked before that. Only an
   * active key can be rotated (409).
   */
  rotate(key_id: string, body: params.AdminRotateKey, options?: RequestOptions): APIPromise<types.AdminNewKey> {
    return this.client.request('POST', pathOf('/admin/v1/keys/{key_id}/rotate', { key_id }), { body, options });
  }
}

export class AdminPrices extends Resource {
  /** List prices. */
  list(options?: RequestOptions): PagePromise<types.AdminPrice, types.AdminPriceList> {
    return this.client.page('/admin/v1/prices', null, { options });
  }

  /**
   * Set a model's price.
   *
   * A price is never changed: this adds a version, in force within a second or from `valid_from` on. Requests pay
   * the price that was in force when they began.
   */
  set(body: params.AdminSetPrice, options?: RequestOptions): APIPromise<types.AdminPrice> {
    return this.client.request('POST', '/admin/v1/prices', { body, options });
  }
}

export class AdminBudgets extends Resource {
  /** List budgets. */
  list(query: params.AdminBudgetsListQuery = {}, options?: RequestOptions): PagePromise<types.Budget, types.BudgetList> {
    return this.client.page('/admin/v1/budgets', null, { query, options });
  }

  /**
   * Set a budget.
   *
   * Of a project or of one key. Binds from the next request on; a budget below what is spent lets nothing more
   * through.
   */
  set(body: params.AdminSetBudget, options?: RequestOptions): APIPromise<types.Budget> {
    return this.client.request('PUT', '/admin/v1/budgets', { body, options });
  }

  /** Remove a budget. */
  clear(query: params.AdminBudgetsClearQuery = {}, options?: RequestOptions): APIPromise<types.AdminCleared> {
    return this.client.request('DELETE', '/admin/v1/budgets', { query, options });
  }
}

export class AdminCredits extends Resource {
  /** Show credits. */
  list(query: params.AdminCreditsListQuery = {}, options?: RequestOptions): PagePromise<types.Budget, types.BudgetList> {
    return this.client.page('/admin/v1/credits', null, { query, options });
  }

  /**
   * Grant credits.
   *
   * The first credit makes a project prepaid. With an `id` of yours a retry adds nothing a second time (409).
   */
  add(body: params.AdminAddCredits, options?: RequestOptions): APIPromise<types.Budget> {
    return this.client.request('POST', '/admin/v1/credits', { body, options });
  }
}

export class AdminLimits extends Resource {
  /** Show limits. */
  list(query: params.AdminLimitsListQuery = {}, options?: RequestOptions): PagePromise<types.AdminLimit, types.AdminLimitList> {
    return this.client.page('/admin/v1/limits', null, { query, options });
  }

  /**
   * Set limits.
   *
   * They override the tier's; others stay as they are. In force within a second.
   */
  set(body: params.AdminSetLimits, options?: RequestOptions): APIPromise<types.AdminLimitList> {
    return this.client.request('PUT', '/admin/v1/limits', { body, options });
  }

  /**
   * Clear limits.
   *
   * Takes away what the project or key itself says; the tier's limits are in force again.
   */
  clear(query: params.AdminLimitsClearQuery = {}, options?: RequestOptions): APIPromise<types.AdminLimitList> {
    return this.client.request('DELETE', '/admin/v1/limits', { query, options });
  }
}

export class AdminTiers extends Resource {
  /** List tiers. */
  list(options?: RequestOptions): PagePromise<types.AdminTier, types.AdminTierList> {
    return this.client.page('/admin/v1/tiers', null, { options });
  }

  /** Change a tier, or make one. */
  set(tier: string, body: params.AdminSetTier, options?: RequestOptions): APIPromise<types.AdminTier> {
    return this.client.request('PUT', pathOf('/admin/v1/tiers/{tier}', { tier }), { body, options });
  }
}

export class AdminAudit extends Resource {
  /**
   * List changes.
   *
   * Who changed what, and when: of the organisation, and of prices and tiers. Never a secret.
   */
  list(query: params.AdminAuditListQuery = {}, options?: RequestOptions): PagePromise<types.AuditEntry, types.AuditPage> {
    return this.client.page('/admin/v1/audit', 'next_after', { query, options });
  }
}

export class AdminModels extends Resource {
  /**
   * List what could run.
   *
   * Every model that a model host knows: rows of `models.yaml`, and what is in `MODEL_DIR`; loaded or not.
   */
  list(options?: RequestOptions): PagePromise<types.AdminModel, types.AdminModelList> {
    return this.client.page('/admin/v1/models', null, { options });
  }

  /**
   * Download a model.
   *
   * Into `MODEL_DIR` of a model host, from a Hugging Face repository or a URL whose host is one of
   * `NOVAI_DOWNLOAD_HOSTS`. The answer comes when the source was found, is allowed and fits on the disk. What breaks off goes
   * on by itself; a download that failed goes on where it was when it is asked for again. When it is complete and its
   * checksum is right the model can be loaded. Unloading it ends the download.
   */
  download(body: params.AdminDownloadModel, options?: RequestOptions): APIPromise<types.AdminModel> {
    return this.client.request('POST', '/admin/v1/models/download', { body, options });
  }

  /**
   * Load a model.
   *
   * On every host that has it, or on the named one. The answer comes when the load has begun; `status` says how it goes.
   * What is left out is as configured. A model that is loaded the same way already only takes the new `pinned` and
   * `idle_ttl_s`; one that is loaded otherwise, or is being unloaded, gets 409. So does one that does not fit into memory
   * (`insufficient_room`) after idle models that are not pinned have made room. A model that cannot be loaded is
   * `failed`, and says why.
   */
  load(model: string, body: params.AdminLoadModel = {}, options?: RequestOptions): APIPromise<types.AdminModel> {
    return this.client.request('POST', pathOf('/admin/v1/models/{model}/load', { model }), { body, options });
  }

  /**
   * Unload a model.
   *
   * On every host that has it, or on the named one. Requests that run have `NOVAI_DRAIN_S` to end; new ones get 404, or go
   * to hosts that still have it. A load or a download under way is ended.
   */
  unload(model: string, query: params.AdminModelsUnloadQuery = {}, options?: RequestOptions): APIPromise<types.AdminModel> {
    return this.client.request('POST', pathOf('/admin/v1/models/{model}/unload', { model }), { query, options });
  }

  /** How a model is. */
  status(model: string, options?: RequestOptions): APIPromise<types.AdminModel> {
    return this.client.request('GET', pathOf('/admin/v1/models/{model}/status', { model }), { options });
  }

  /**
   * Where a model is.
   *
   * Addresses of the workers that are ready, which speak `proto/inference.proto` or `proto/embedding.proto`, and the path
   * that callers use.
   */
  endpoint(model: string, options?: RequestOptions): APIPromise<types.AdminModelEndpoint> {
    return this.client.request('GET', pathOf('/admin/v1/models/{model}/endpoint', { model }), { options });
  }
}

export class Chat extends Resource {}

export class Completions extends Resource {
  /**
   * Create a completion.
   *
   * Continues plain text, as the model reads it: no template is put around it. Several prompts in one request are
   * accepted, charged and cancelled together; the choice `p × n + i` is the i-th of prompt p. Streams as chat
   * completions do, one `Completion` each.
   */
  create(body: params.CompletionRequest & { stream: true }, options?: RequestOptions): APIPromise<Stream<types.Completion>>;
  create(body: params.CompletionRequest & { stream?: false | null | undefined }, options?: RequestOptions): APIPromise<types.Completion>;
  create(body: params.CompletionRequest, options?: RequestOptions): APIPromise<types.Completion | Stream<types.Completion>>;
  create(body: params.CompletionRequest, options?: RequestOptions): APIPromise<types.Completion | Stream<types.Completion>> {
    if (body.stream) return this.client.stream('POST', '/v1/completions', { body, options });
    return this.client.request('POST', '/v1/completions', { body, options });
  }
}

export class Responses extends Resource {
  /**
   * Create a response.
   *
   * Answers like a chat completion, as a list of items: reasoning, a message, calls of functions. A response is kept
   * for 30 days unless `store` is false, so that the next turn can continue from it: by `previous_response_id`, or by
   * naming single items with `item_reference`.
   *
   * With `stream: true` the answer arrives as server-sent events while it is generated. Each has the name of its
   * `type` and a `sequence_number`, from 0 on. `response.created` and `response.in_progress` come first. Then, item
   * by item, `response.output_item.added`, the item's own events, and `response.output_item.done` with the whole
   * item. One of `response.completed`, `response.incomplete` and `response.failed` carries the final response;
   * then `data: [DONE]`. A failure is announced by an `error` event before `response.failed`.
   *
   * When the client leaves, generation stops at once; what was generated until then is recorded, and kept as a
   * response with the status `cancelled`.
   *
   * Tools of the type `mcp` are run by this server (`ResponseServerTools`), as items of the type `mcp_call`: the
   * model is asked again with their results, until it answers. `usage` is the sum of these rounds; each is admitted,
   * limited and charged as a request of its own, the n-th under the id of this one and `-n`.
   *
   * Not supported, and refused with 400: `background`, `conversation`, `prompt`, `truncation: auto`, files, images
   * for models that do not see, and all tools but functions and those of this server. Only from Codex CLI, which
   * cannot be told to send none, other tools are taken: they are left out, and named in `x-novai-ignored-params`.
   */
  create(body: params.ResponseRequest & { stream: true }, options?: RequestOptions): APIPromise<Stream<types.ResponseStreamEvent>>;
  create(body: params.ResponseRequest & { stream?: false | null | undefined }, options?: RequestOptions): APIPromise<types.Response>;
  create(body: params.ResponseRequest, options?: RequestOptions): APIPromise<types.Response | Stream<types.ResponseStreamEvent>>;
  create(body: params.ResponseRequest, options?: RequestOptions): APIPromise<types.Response | Stream<types.ResponseStreamEvent>> {
    if (body.stream) return this.client.stream('POST', '/v1/responses', { body, options });
    return this.client.request('POST', '/v1/responses', { body, options });
  }

  /**
   * Retrieve a response.
   *
   * As its last event or its answer had it. Responses of other projects do not exist for the key (404).
   */
  retrieve(response_id: string, query: params.ResponsesRetrieveQuery = {}, options?: RequestOptions): APIPromise<types.Response> {
    return this.client.request('GET', pathOf('/v1/responses/{response_id}', { response_id }), { query, options });
  }

  /**
   * Delete a response.
   *
   * With its items. Responses that continue from it cannot be continued any more.
   */
  delete(response_id: string, options?: RequestOptions): APIPromise<types.ResponseDeleted> {
    return this.client.request('DELETE', pathOf('/v1/responses/{response_id}', { response_id }), { options });
  }

  /**
   * Cancel a response.
   *
   * Only responses that run in the background can be cancelled, and this server runs none: a response that exists
   * answers 400. To stop one that is being generated, close its connection.
   */
  cancel(response_id: string, options?: RequestOptions): APIPromise<types.Response> {
    return this.client.request('POST', pathOf('/v1/responses/{response_id}/cancel', { response_id }), { options });
  }
}

export class Embeddings extends Resource {
  /**
   * Create embeddings.
   *
   * Vectors of one or many texts, in their order. Texts may be given as token ids of the model's own vocabulary.
   * The official SDKs ask for `base64` (little-endian float32) by default and decode it for the caller.
   */
  create(body: params.EmbeddingRequest, options?: RequestOptions): APIPromise<types.EmbeddingResponse> {
    return this.client.request('POST', '/v1/embeddings', { body, options });
  }
}

export class Rerank extends Resource {
  /**
   * Order documents by how near they are to a query.
   *
   * In the form of Jina and Cohere, by an embedding model: `relevance_score` is the cosine of the query's and the
   * document's vectors, -1 to 1. Each text is read alone. That is faster than a cross-encoder, which reads query and
   * document together, and less sharp. Charged as the embeddings of the query and of all documents.
   */
  create(body: params.RerankRequest, options?: RequestOptions): APIPromise<types.RerankResponse> {
    return this.client.request('POST', '/v1/rerank', { body, options });
  }
}

export class Tokens extends Resource {
  /**
   * Tokenize a text or a conversation.
   *
   * Token ids of the model's own vocabulary, as vLLM answers. Give `prompt`, in which the texts of special tokens are
   * those tokens, or `messages`, which become what the model would see. Nothing is charged; it counts as a request for
   * the rate limits.
   */
  tokenize(body: params.TokenizeRequest, options?: RequestOptions): APIPromise<types.TokenizeResponse> {
    return this.client.request('POST', '/v1/tokenize', { body, options });
  }

  /**
   * Turn tokens into text.
   *
   * The text of token ids, special tokens spelled out. Nothing is charged, as with `/v1/tokenize`.
   */
  detokenize(body: params.DetokenizeRequest, options?: RequestOptions): APIPromise<types.DetokenizeResponse> {
    return this.client.request('POST', '/v1/detokenize', { body, options });
  }
}

export class Messages extends Resource {
  /**
   * Create a message.
   *
   * Answers a conversation as Anthropic's Messages API does: `anthropic` SDKs and Claude Code work with this server's
   * URL as their base URL, without `/v1`.
   *
   * With `stream: true` the answer arrives as named server-sent events while it is generated: `message_start`, for
   * each block `content_block_start`, `content_block_delta`…, `content_block_stop`, then `message_delta` with the
   * reason it ended and the whole usage, and `message_stop`. A failure after the first of them is an event `error`.
   *
   * What the model thinks comes as `thinking` blocks, when `thinking` asks for it and the model can.
   */
  create(body: params.MessageRequest & { stream: true }, options?: RequestOptions): APIPromise<Stream<types.MessageStreamEvent>>;
  create(body: params.MessageRequest & { stream?: false | null | undefined }, options?: RequestOptions): APIPromise<types.Message>;
  create(body: params.MessageRequest, options?: RequestOptions): APIPromise<types.Message | Stream<types.MessageStreamEvent>>;
  create(body: params.MessageRequest, options?: RequestOptions): APIPromise<types.Message | Stream<types.MessageStreamEvent>> {
    if (body.stream) return this.client.stream('POST', '/v1/messages', { body, options });
    return this.client.request('POST', '/v1/messages', { body, options });
  }

  /**
   * Count the tokens of a message's prompt.
   *
   * Tokens of the prompt as the model would see it, system and tools included. Nothing is charged; it counts as a
   * request for the rate limits.
   */
  countTokens(body: params.MessageCountRequest, options?: RequestOptions): APIPromise<types.MessageTokens> {
    return this.client.request('POST', '/v1/messages/count_tokens', { body, options });
  }
}

export class Files extends Resource {
  /**
   * List files.
   *
   * Those of the key's project that have not expired.
   */
  list(query: params.FilesListQuery = {}, options?: RequestOptions): PagePromise<types.File, types.FileList> {
    return this.client.page('/v1/files', 'last_id', { query, options });
  }

  /**
   * Upload a file.
   *
   * Stored while it arrives. The input of a batch (`purpose: batch`) is looked at meanwhile: JSON Lines in UTF-8, one
   * object a line, at most 50 000 lines of 1 MiB; what is wrong is said in `status_details`, with its line number.
   * Put `purpose` before `file` (the official SDKs do), so that a refusal does not wait for the end of the file.
   *
   * At most 200 MB, or what the operator says. The files of a project have a quota: what is beyond it is refused with
   * 429 `storage_quota_exceeded`.
   */
  create(body: params.FileUpload, options?: RequestOptions): APIPromise<types.File> {
    return this.client.request('POST', '/v1/files', { body, form: true, options });
  }

  /**
   * Retrieve a file.
   *
   * What is known of it. Files of other projects do not exist for the key (404).
   */
  retrieve(file_id: string, options?: RequestOptions): APIPromise<types.File> {
    return this.client.request('GET', pathOf('/v1/files/{file_id}', { file_id }), { options });
  }

  /**
   * Delete a file.
   *
   * With its content. A batch that still has to read it fails.
   */
  delete(file_id: string, options?: RequestOptions): APIPromise<types.FileDeleted> {
    return this.client.request('DELETE', pathOf('/v1/files/{file_id}', { file_id }), { options });
  }

  /**
   * Download a file.
   *
   * Its bytes as they were uploaded, or as a batch wrote them, whatever `Accept` says.
   */
  content(file_id: string, options?: RequestOptions): Promise<Response> {
    return this.client.binary('GET', pathOf('/v1/files/{file_id}/content', { file_id }), { options });
  }
}

export class Batches extends Resource {
  /**
   * List batches.
   *
   * Those of the key's project, the newest first.
   */
  list(query: params.BatchesListQuery = {}, options?: RequestOptions): PagePromise<types.Batch, types.BatchList> {
    return this.client.page('/v1/batches', 'last_id', { query, options });
  }

  /**
   * Create a batch.
   *
   * Answers every line of a file within 24 hours, in the idle time of the models and at a lower price. Each line of
   * the file, which was uploaded with the purpose `batch`, is
   * `{"custom_id": "…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}`, all with the batch's
   * `endpoint` as their `url`; the `body` is what that endpoint takes, without `stream`. Without a file, `inputs` are
   * the lines themselves (status 202): bodies, or objects with a `body` and a `custom_id`.
   *
   * The lines are looked at first (`validating`). What is wrong with them is in `errors`, with the numbers of the
   * lines, and the batch has `failed`: nothing ran. Otherwise each line is answered once, in no certain order, and
   * charged once: in the file `output_file_id`, or, when the request fails, in `error_file_id`. What has not run when
   * the time is up, or when the batch is cancelled, is there too, with the code `batch_expired` or `batch_cancelled`,
   * and costs nothing.
   *
   * Rate limits do not apply to lines; the tokens of all batches of a project that are not over do have a bound
   * (`token_limit_exceeded`).
   */
  create(body: params.BatchRequest = {}, options?: RequestOptions): APIPromise<types.Batch> {
    return this.client.request('POST', '/v1/batches', { body, options });
  }

  /**
   * Retrieve a batch.
   *
   * How far it is. Batches of other projects do not exist for the key (404).
   */
  retrieve(batch_id: string, options?: RequestOptions): APIPromise<types.Batch> {
    return this.client.request('GET', pathOf('/v1/batches/{batch_id}', { batch_id }), { options });
  }

  /**
   * Cancel a batch.
   *
   * Lines that run are stopped within seconds; the batch is `cancelling` until then. What was answered stays, and is
   * charged. A batch that is over or `finalizing` answers 400: nothing of it runs. Cancelling twice is the same as
   * once.
   */
  cancel(batch_id: string, options?: RequestOptions): APIPromise<types.Batch> {
    return this.client.request('POST', pathOf('/v1/batches/{batch_id}/cancel', { batch_id }), { options });
  }
}

export class Models extends Resource {
  /**
   * List models.
   *
   * The models that are loaded now and that the key may use, by name. Aliases are listed beside them, with
   * `alias_of`; those that end in `*` are not, but the names that they stand for can be retrieved.
   *
   * With `anthropic-version`, what clients of Anthropic's API look for is there as well.
   */
  list(options?: RequestOptions): PagePromise<types.Model, types.ModelList> {
    return this.client.page('/v1/models', null, { options });
  }

  /** Retrieve a model. */
  retrieve(model: string, options?: RequestOptions): APIPromise<types.Model> {
    return this.client.request('GET', pathOf('/v1/models/{model}', { model }), { options });
  }
}

export class Usage extends Resource {
  /**
   * List what was used.
   *
   * Sums of tokens, requests and cost, written in the same transaction as each request's settlement: what was answered
   * is in it. A key sees its own project; with the scope `admin` too it sees its organisation. What it cannot see is as
   * if it were not there.
   *
   * `Accept: text/csv` gives the same rows as CSV, with exact amounts; all of them, unless there is a `limit`.
   */
  list(query: params.UsageListQuery = {}, options?: RequestOptions): PagePromise<types.UsageRow, types.UsagePage> {
    return this.client.page('/v1/usage', 'next_after', { query, options });
  }
}

export class Limits extends Resource {
  /**
   * Show what is left.
   *
   * The rate limits that requests of this key meet, and the budgets and credits they draw on, as they stand now. Takes
   * nothing. Any key may ask, whatever its scopes.
   */
  retrieve(query: params.LimitsRetrieveQuery = {}, options?: RequestOptions): APIPromise<types.LimitStates> {
    return this.client.request('GET', '/v1/limits', { query, options });
  }
}

export class Admin extends Resource {}
