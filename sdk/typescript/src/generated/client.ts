// Generated from openapi/spec.yaml by openapi/codegen/sdk.py. Do not edit.

import { APIClient } from '../runtime/client.js';
import type { ClientOptions } from '../runtime/options.js';
import * as operations from './operations.js';
import { ChatCompletions as ChatCompletionsHelpers } from '../helpers/chat__completions.js';
import { Responses as ResponsesHelpers } from '../helpers/responses.js';
import { Embeddings as EmbeddingsHelpers } from '../helpers/embeddings.js';
import { Messages as MessagesHelpers } from '../helpers/messages.js';
import { Files as FilesHelpers } from '../helpers/files.js';
import { Batches as BatchesHelpers } from '../helpers/batches.js';

export const VERSION = '0.1.0';

export class ChatCompletionsInputTokens extends operations.ChatCompletionsInputTokens {}

export class ChatCompletions extends ChatCompletionsHelpers {
  readonly inputTokens = new ChatCompletionsInputTokens(this.client);
}

export class ResponsesInputTokens extends operations.ResponsesInputTokens {}

export class ResponsesInputItems extends operations.ResponsesInputItems {}

export class UsageRequests extends operations.UsageRequests {}

export class AdminProjects extends operations.AdminProjects {}

export class AdminKeys extends operations.AdminKeys {}

export class AdminPrices extends operations.AdminPrices {}

export class AdminBudgets extends operations.AdminBudgets {}

export class AdminCredits extends operations.AdminCredits {}

export class AdminLimits extends operations.AdminLimits {}

export class AdminTiers extends operations.AdminTiers {}

export class AdminAudit extends operations.AdminAudit {}

export class AdminModels extends operations.AdminModels {}

export class Chat extends operations.Chat {
  readonly completions = new ChatCompletions(this.client);
}

export class Completions extends operations.Completions {}

export class Responses extends ResponsesHelpers {
  readonly inputTokens = new ResponsesInputTokens(this.client);
  readonly inputItems = new ResponsesInputItems(this.client);
}

export class Embeddings extends EmbeddingsHelpers {}

export class Rerank extends operations.Rerank {}

export class Tokens extends operations.Tokens {}

export class Messages extends MessagesHelpers {}

export class Files extends FilesHelpers {}

export class Batches extends BatchesHelpers {}

export class Models extends operations.Models {}

export class Usage extends operations.Usage {
  readonly requests = new UsageRequests(this.client);
}

export class Limits extends operations.Limits {}

export class Admin extends operations.Admin {
  readonly projects = new AdminProjects(this.client);
  readonly keys = new AdminKeys(this.client);
  readonly prices = new AdminPrices(this.client);
  readonly budgets = new AdminBudgets(this.client);
  readonly credits = new AdminCredits(this.client);
  readonly limits = new AdminLimits(this.client);
  readonly tiers = new AdminTiers(this.client);
  readonly audit = new AdminAudit(this.client);
  readonly models = new AdminModels(this.client);
}

/** One server, with one key. */
export class NovAI extends APIClient {
  readonly chat = new Chat(this);
  readonly completions = new Completions(this);
  readonly responses = new Responses(this);
  readonly embeddings = new Embeddings(this);
  readonly rerank = new Rerank(this);
  readonly tokens = new Tokens(this);
  readonly messages = new Messages(this);
  readonly files = new Files(this);
  readonly batches = new Batches(this);
  readonly models = new Models(this);
  readonly usage = new Usage(this);
  readonly limits = new Limits(this);
  readonly admin = new Admin(this);

  constructor(options: ClientOptions = {}) {
    super(options, VERSION);
  }
}
