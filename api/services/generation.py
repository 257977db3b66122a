"""A generation is an admitted stream, whatever its public form; a plain JSON answer is the same stream, collected."""

from __future__ import annotations

from api.clients.generate_request import choices_of, most_prompt_tokens
from api.clients.hosts import Hosts
from api.clients.images import Images, check_images, images_of, weight
from api.clients.session import GenerateRequest
from api.domain import Principal
from api.limits.dimensions import estimate_tokens
from api.services.admission import UNBOUNDED, Admission, Quote
from api.services.answering import Endings
from api.services.attempts import Attempts
from api.services.catalog import Catalog
from api.services.generation_stream import Deadlines, GenerationStream
from api.services.quarantine import Quarantine

DEFAULT_OUTPUT_TOKENS = 1024  # what the rate limits expect of a request without `max_tokens`


class GenerationService:
    """Opens streams."""

    def __init__(
        self, catalog: Catalog, admission: Admission, hosts: Hosts, images: Images, deadlines: Deadlines
    ) -> None:
        self._catalog = catalog
        self._admission = admission
        self._hosts = hosts
        self._images = images
        self._deadlines = deadlines
        self._quarantine = Quarantine(hosts)
        self._endings = Endings()

    async def admit(
        self, request: GenerateRequest, principal: Principal, request_id: str, operation: str, streamed: bool
    ) -> GenerationStream:
        """An admitted stream, not yet started. Whoever calls this calls `GenerationStream.aclose`.

        `operation`: the operationId that usage is recorded under. `request.cache_salt` is set here, and `request.model`
        to the model's own name.
        Raises ModelNotFoundError, PermissionDeniedError, InvalidRequestError, OverloadedError, RateLimitError,
        LimiterUnavailableError, LedgerUnavailableError.
        """
        asked = request.model
        model = await self._catalog.awake(asked, "chat", principal)
        request.model = model.id
        request.cache_salt = principal.organisation_id
        images = images_of(request)
        if images:
            check_images(images, model.id, model.image_tokens)
        size, context = weight(request, images, model.image_tokens), model.context_length or UNBOUNDED
        outputs = 0 if request.prompt_only else choices_of(request)
        quote = Quote(
            request_id=request_id,
            operation=operation,
            started_at_s=self._admission.now_s(),
            prompt_tokens=most_prompt_tokens(request, size),
            completion_tokens=outputs * min(request.max_tokens or context, context),
            estimated_tokens=estimate_tokens(size, outputs * min(request.max_tokens or DEFAULT_OUTPUT_TOKENS, context)),
        )
        ticket = await self._admission.admit(principal, model, quote)
        try:
            await self._images.load(images, principal.project_id)
        except BaseException:
            ticket.release()
            raise
        attempts = Attempts(self._hosts, self._quarantine, request_id, request)
        return GenerationStream(request, ticket, attempts, self._deadlines, self._endings, asked, streamed)

    async def aclose(self) -> None:
        """Waits for every settlement under way."""
        await self._endings.aclose()
