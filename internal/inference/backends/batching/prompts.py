"""From a GenerateRequest to what the engine runs: tokens checked and counted, sampling checked, output understood."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from gen import inference_pb2 as pb

from internal.errors import ContextLengthExceededError, InvalidImageError, InvalidRequestError, UnsupportedError
from internal.inference.backends.batching.constraints import Constraints, GrammarMask
from internal.inference.backends.batching.known_texts import KnownTexts
from internal.inference.backends.batching.library import Model
from internal.inference.backends.batching.pictures import Eyes, Picture, Pictures
from internal.inference.backends.batching.pixels import UndecodableError
from internal.inference.backends.batching.sampling import Ids, Sampler
from internal.inference.backends.batching.slots import Prompt
from internal.inference.chat_template import ChatTemplate, Piece
from internal.inference.constrain import Grammar
from internal.inference.tool_parsing import MAX_CALLS, OutputParser, opens_reasoning, parser_for

MOST_TOP_LOGPROBS = 20
# Bytes of the longest tokens in use (runs of white space): longer texts cannot fit and are not tokenised at all.
MOST_BYTES_PER_TOKEN = 512


class Prompts:
    """Reads requests for one model. Safe on any thread."""

    def __init__(
        self, model: Model, template: ChatTemplate | None, context_length: int, eyes: Eyes | None = None
    ) -> None:
        self._model = model
        self._texts = KnownTexts(model)
        self._template = template
        self._eyes = eyes
        self._context_length = context_length
        self._end_ids: Ids = np.array(sorted(model.end_ids), np.int64)
        self.constraints = Constraints(model, template)

    def read(self, request: pb.GenerateRequest, pictures: Sequence[Picture] = ()) -> list[Prompt]:
        """All prompts of a request. Takes as long as compiling its grammar does, if it has one (`is_constrained`).

        `pictures`: what `see` made of the request's images.
        Raises InvalidRequestError, UnsupportedError, ContextLengthExceededError.
        """
        self._check(request)
        return [
            self._prompt(request, tokens, reasoning_open, pictures)
            for tokens, reasoning_open in self._tokens(request, pictures)
        ]

    def see(self, request: pb.GenerateRequest) -> Iterator[Picture]:
        """The images of a request as the model sees them, one after another. Each takes as long as the projector does,
        one thread at a time; what cannot fit is not looked at.

        Raises UnsupportedError, InvalidImageError, InternalError, ContextLengthExceededError.
        """
        tokens = 0
        for image in images_of(request):
            if tokens >= self._context_length:
                raise self._too_long(f"more than {tokens}", _param_of(request))
            picture = self._look(image, lambda eyes, file: eyes.see(file, request.cache_salt))
            tokens += len(picture.tokens)
            yield picture

    def count(self, request: pb.GenerateRequest) -> int:
        """Tokens of the prompts. Raises as `see` and `read`, but for the length."""
        pictures = [self._look(image, lambda eyes, file: eyes.measure(file)) for image in images_of(request)]
        return sum(len(tokens) for tokens, _ in self._tokens(request, pictures))

    def echo(self, request: pb.GenerateRequest) -> list[str]:
        """The text of every plain prompt."""
        return [
            prompt.text if prompt.HasField("text") else self._text(prompt.tokens.ids)
            for prompt in request.prompts.items
        ]

    def _look(self, image: pb.Image, look: Callable[[Eyes, bytes], Picture]) -> Picture:
        if self._eyes is None:
            raise UnsupportedError("this model takes text only: leave images out", image.param)
        try:
            return look(self._eyes, image.data)
        except UndecodableError:
            raise InvalidImageError("the image cannot be decoded: send a PNG, JPEG, WebP or GIF", image.param) from None

    def _prompt(
        self, request: pb.GenerateRequest, tokens: list[int], reasoning_open: bool, pictures: Sequence[Picture]
    ) -> Prompt:
        room = self._context_length - len(tokens)
        if room < 1:
            raise self._too_long(str(len(tokens)), _param_of(request))
        stop_ids = frozenset(request.stop_token_ids)
        end_ids = stop_ids if request.ignore_eos else stop_ids | self._model.end_ids
        parser = partial(self._parser, request, reasoning_open)
        reader = parser()
        grammar = self.constraints.grammar(request, reasoning_open)
        if grammar is not None and request.ignore_eos:
            raise InvalidRequestError("constrained output ends where its constraint does: leave it out", "ignore_eos")
        return Prompt(
            tokens=tokens,
            pictures=Pictures(tokens, pictures, whole=self._eyes.whole) if self._eyes and pictures else None,
            limit=min(request.max_tokens or room, room),
            end_ids=end_ids,
            piece=self._model.piece,
            markers=self._markers(reader),
            parser=parser,
            sampler=partial(self._sampler, request, tokens, end_ids, grammar),
        )

    def tokens(self, request: pb.TokenizeRequest) -> list[int]:
        """Those of a text, or of a conversation as `read` would have them. Raises as `count`."""
        if request.HasField("chat"):
            if any(images_of(request)):
                raise UnsupportedError("images have no token ids: count the tokens instead", "messages")
            return self._chat_tokens(self._rendered(request), (), salt=None)
        self._check_size(len(request.text), "prompt")
        return self._texts.tokenize(request.text, add_special=request.add_special, salt=None)

    def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        """What each token stands for. Raises InvalidRequestError."""
        self._check_ids("tokens", tokens)
        return [self._model.special_piece(token) for token in tokens]

    # ------------------------------------------------------------------ tokens

    def _tokens(self, request: pb.GenerateRequest, pictures: Sequence[Picture] = ()) -> list[tuple[list[int], bool]]:
        """Every prompt, and whether it ends within reasoning."""
        if request.HasField("chat"):
            pieces = self._rendered(request)
            return [(self._chat_tokens(pieces, pictures, request.cache_salt), opens_reasoning(pieces))]
        if not request.prompts.items:
            raise InvalidRequestError("the request has no prompt", "prompt")
        return [(self._plain(request, prompt), False) for prompt in request.prompts.items]

    def _plain(self, request: pb.GenerateRequest, prompt: pb.Prompt) -> list[int]:
        if prompt.HasField("tokens"):
            self._check_ids("prompt", prompt.tokens.ids)
            tokens = list(prompt.tokens.ids)
        else:
            self._check_size(len(prompt.text), "prompt")
            tokens = self._texts.tokenize(prompt.text, add_special=True, salt=request.cache_salt)
        return self._not_empty(tokens, "prompt")

    def _chat_tokens(self, pieces: Sequence[Piece], pictures: Sequence[Picture], salt: str | None) -> list[int]:
        """Every piece on its own, so that no special token spans a cut."""
        tokens = self._model.tokenize("", add_special=True) if pieces and isinstance(pieces[0], int) else []
        for number, piece in enumerate(pieces):
            if isinstance(piece, int):
                tokens += pictures[piece].tokens
            else:
                tokens += self._texts.tokenize(piece, add_special=number == 0, salt=salt)
        if tokens and tokens[-1] < 0:
            raise InvalidRequestError("nothing follows the last image: put text behind it", "messages")
        return self._not_empty(tokens, "messages")

    def _text(self, ids: Iterable[int]) -> str:
        return b"".join(map(self._model.piece, ids)).decode("utf-8", "replace")

    def _rendered(self, request: pb.GenerateRequest | pb.TokenizeRequest) -> list[Piece]:
        if self._template is None:
            raise InvalidRequestError(
                "this model has no chat template: set the option `chat_template` to a file, or send a plain prompt",
                "messages",
            )
        messages = request.chat.messages
        self._check_size(sum(len(part.text) for message in messages for part in message.parts), _param_of(request))
        if len(messages) > self._context_length:  # each has a token at least
            raise self._too_long(f"more than {self._context_length}", _param_of(request))
        return self._template.render(request.chat)

    def _not_empty(self, tokens: list[int], param: str) -> list[int]:
        if tokens:
            return tokens
        if self._model.bos < 0:
            raise InvalidRequestError("the prompt is empty", param)
        return [self._model.bos]

    def _check_size(self, characters: int, param: str) -> None:
        at_least = characters // MOST_BYTES_PER_TOKEN
        if at_least >= self._context_length:
            raise self._too_long(f"more than {at_least}", param)

    def _too_long(self, tokens: str, param: str) -> ContextLengthExceededError:
        it = "it" if param == "prompt" else "them"
        return ContextLengthExceededError(
            f"This model's maximum context length is {self._context_length} tokens. However, your {param} resulted in "
            f"{tokens} tokens. Please shorten {it} (context_length_exceeded: prompt is too long).",
            param,
        )

    # ------------------------------------------------------------------ output

    def _parser(self, request: pb.GenerateRequest, reasoning_open: bool) -> OutputParser | None:
        """Reads the output of a chat; None where every text is content."""
        if not request.HasField("chat") or self._template is None:
            return None
        chat = request.chat
        tools = [] if chat.tool_choice.mode == pb.ToolChoice.NONE else chat.tools
        parser = parser_for(
            self._template.source,
            tools,
            reasoning_open=reasoning_open,
            max_calls=MAX_CALLS if chat.parallel_tool_calls else 1,
        )
        return parser if parser.markers or reasoning_open else None

    def _markers(self, parser: OutputParser | None) -> dict[int, bytes]:
        special = self._model.special_ids
        texts = parser.markers if parser is not None else ()
        return {special[text]: self._model.special_piece(special[text]) for text in texts if text in special}

    def _sampler(
        self,
        request: pb.GenerateRequest,
        tokens: list[int],
        end_ids: frozenset[int],
        grammar: Grammar | None,
        choice: int,
    ) -> Sampler:
        return Sampler(
            request.sampling,
            choice=choice,
            prompt=[token for token in tokens if token >= 0],
            banned=self._end_ids if request.ignore_eos else self._end_ids[:0],
            end_ids=np.array(sorted(end_ids), np.int64),
            min_tokens=request.min_tokens,
            mask=GrammarMask(grammar, self._model.end_ids) if grammar else None,
        )

    # ------------------------------------------------------------------ checks

    def _check(self, request: pb.GenerateRequest) -> None:
        if request.top_logprobs > MOST_TOP_LOGPROBS:
            raise InvalidRequestError(f"at most {MOST_TOP_LOGPROBS} top_logprobs", "top_logprobs")
        self._check_ids("logit_bias", request.sampling.logit_bias)
        self._check_ids("stop_token_ids", request.stop_token_ids)
        _check_sampling(request.sampling)

    def _check_ids(self, param: str, ids: Iterable[int]) -> None:
        size = self._model.vocabulary_size
        unknown = next((i for i in ids if i >= size), None)
        if unknown is not None:
            raise InvalidRequestError(f"token id {unknown} is not in the vocabulary of {size} tokens", param)


def images_of(request: pb.GenerateRequest | pb.TokenizeRequest) -> list[pb.Image]:
    """The images of a conversation, in their order."""
    return [part.image for message in request.chat.messages for part in message.parts if part.HasField("image")]


def _param_of(request: pb.GenerateRequest | pb.TokenizeRequest) -> str:
    """The parameter that the prompt is in."""
    return (request.chat.param or "messages") if request.HasField("chat") else "prompt"


# field, least, most; what is left out is 0 and always allowed
_RANGES = (
    ("temperature", 0.0, 100.0),
    ("top_p", 0.0, 1.0),
    ("min_p", 0.0, 1.0),
    ("presence_penalty", -2.0, 2.0),
    ("frequency_penalty", -2.0, 2.0),
    ("repetition_penalty", 0.0, 100.0),
)


def _check_sampling(sampling: pb.Sampling) -> None:
    for field, least, most in _RANGES:
        if not least <= getattr(sampling, field) <= most:  # false for what is no number, too
            raise InvalidRequestError(f"{field} must be between {least:g} and {most:g}", field)
    if not all(math.isfinite(bias) for bias in sampling.logit_bias.values()):
        raise InvalidRequestError("biases must be finite numbers", "logit_bias")
