"""The Llama model that is trained, and how its embedding is made of fewer parameters than it has rows."""

import torch
from tokenization import VOCABULARY, twins
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

LAYERS, HIDDEN, FEED_FORWARD = 5, 256, 640
HEADS, HEAD_DIM = 4, 64
ROPE_BASE = 1_000_000.0
CONFIG = LlamaConfig(
    vocab_size=VOCABULARY,
    hidden_size=HIDDEN,
    intermediate_size=FEED_FORWARD,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    num_key_value_heads=HEADS,
    head_dim=HEAD_DIM,
    max_position_embeddings=4096,
    rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
    rms_norm_eps=1e-5,
    tie_word_embeddings=True,
    attention_bias=False,
    bos_token_id=0,
    eos_token_id=2,
    pad_token_id=0,
    use_cache=False,
)
IGNORED = -100


class Student(nn.Module):
    """A Llama model whose twins (see ``tokenization``) share one row: a twin is its piece plus the mark of a space.

    So what is learned about a word holds after a space and without one, and a word that is copied from one place to
    the other is, but for the mark, the same vector.
    """

    def __init__(self, tokenizer: Tokenizer):
        super().__init__()
        self.llama = LlamaForCausalLM(CONFIG)
        self.space = nn.Parameter(torch.zeros(HIDDEN))
        row, after_space = torch.arange(VOCABULARY), torch.zeros(VOCABULARY, 1)
        for bare, twin in twins(tokenizer):
            row[twin], after_space[twin] = bare, 1.0
        self.register_buffer("row", row, persistent=False)
        self.register_buffer("after_space", after_space, persistent=False)

    def embedding(self) -> Tensor:
        return self.llama.model.embed_tokens.weight[self.row] + self.after_space * self.space

    def answer_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross entropy of the assistant's tokens; logits are computed for these positions only."""
        table = self.embedding()
        embedded = nn.functional.embedding(x, table)
        hidden = self.llama.model(inputs_embeds=embedded, use_cache=False).last_hidden_state[:, :-1]
        targets = y[:, 1:]
        wanted = targets != IGNORED
        logits = nn.functional.linear(hidden[wanted], table)
        return nn.functional.cross_entropy(logits.float(), targets[wanted])

    def weights(self) -> dict[str, Tensor]:
        """An ordinary Llama model's: every row of the embedding written out."""
        table = self.embedding().detach()
        tied = {"model.embed_tokens.weight": table, "lm_head.weight": table}
        return self.llama.state_dict() | tied
