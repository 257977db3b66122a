"""Images of a request: from where its caller says they are to the files that a worker gets.

The one door for all public forms, single requests and lines of batches alike: what leads to a worker goes through
`Images.load`. Nothing is decoded here; a worker does that, in a process of its own.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from gen import inference_pb2 as pb

from api.clients.fetcher import Fetcher, FetchError, TooLargeError
from api.clients.image_file import size_of
from api.errors import InvalidRequestError

Image = pb.Image

MOST_IMAGES = 16  # of a request
MOST_BYTES = 20 << 20  # of all of them together
MOST_PIXELS = 50_000_000  # of one


def images_of(request: pb.GenerateRequest) -> list[Image]:
    """The images of a conversation, in their order."""
    return [part.image for message in request.chat.messages for part in message.parts if part.HasField("image")]


def weight(request: pb.GenerateRequest, images: Sequence[Image], image_tokens: int) -> int:
    """Bytes of a request in which an image counts as many as it has tokens at most: a bound of what its prompt has."""
    return request.ByteSize() + sum(image_tokens - image.ByteSize() for image in images)


def check_images(images: Sequence[Image], model: str, image_tokens: int) -> None:
    """Raises InvalidRequestError when the model takes none (`image_tokens` is 0), or not so many."""
    if not image_tokens:
        raise InvalidRequestError(
            f"The model `{model}` takes text only. Leave images out or choose a model that sees: GET /v1/models tells.",
            param=f"{images[0].param}.type",
            code="unsupported_value",
        )
    if len(images) > MOST_IMAGES:
        raise InvalidRequestError(
            f"A request has at most {MOST_IMAGES} images, and this is one more. Send fewer.",
            param=images[MOST_IMAGES].param,
            code="invalid_image",
        )


class Images:
    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def load(self, images: Sequence[Image], project_id: str) -> None:
        """Puts the file in the place of every URL of a project. What is a file came with an earlier round of tools.

        Raises InvalidRequestError, naming the part at fault.
        """
        room = MOST_BYTES
        for image in images:
            if image.HasField("data"):
                continue
            file = await self._file(image, room, project_id)
            room -= len(file)
            if room < 0:
                raise too_large(image)
            check_file(file, image.param)
            image.data = file

    async def _file(self, image: Image, most_bytes: int, project_id: str) -> bytes:
        if image.url[:5].lower() == "data:":
            return file_of(image.url, image.param)
        try:
            return await self._fetcher.fetch(image.url, most_bytes, project_id)
        except TooLargeError:
            raise too_large(image) from None
        except FetchError as error:
            raise InvalidRequestError(str(error), param=image.param, code="invalid_image_url") from None


def file_of(url: str, param: str) -> bytes:
    """The content of a data: URL. Raises InvalidRequestError."""
    head, comma, data = url.partition(",")
    try:
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError(head)
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:  # also of text that is not ASCII
        raise InvalidRequestError(
            "The image is no base64 data: URL. Send it as `data:image/png;base64,…`.",
            param=param,
            code="invalid_image_url",
        ) from None


def too_large(image: Image) -> InvalidRequestError:
    return InvalidRequestError(
        f"The images of a request have {MOST_BYTES >> 20} MiB at most, together. Send smaller ones, or fewer.",
        param=image.param,
        code="invalid_image",
    )


def check_file(file: bytes, param: str) -> None:
    """Raises InvalidRequestError. What is inside is the worker's to find out."""
    size = size_of(file)
    if size is None or 0 in size:
        raise InvalidRequestError("The image is no PNG, JPEG, WebP or GIF.", param=param, code="invalid_image")
    if size[0] * size[1] > MOST_PIXELS:
        raise InvalidRequestError(
            f"The image has more than {MOST_PIXELS // 1_000_000} million pixels. Send a smaller one.",
            param=param,
            code="invalid_image",
        )
