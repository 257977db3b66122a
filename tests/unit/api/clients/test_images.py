"""The door that all images pass, whatever the public form."""

from __future__ import annotations

import pytest
from gen import inference_pb2 as pb

from api.clients.fetcher import Fetcher
from api.clients.images import MOST_BYTES, MOST_IMAGES, Images, check_images, images_of, weight
from api.errors import InvalidRequestError
from outbound.guard import Guard
from tests.pictures import bomb, data_url, picture
from tests.unit.api.clients.test_fetcher import LOOPBACK, Names, saying, serving

AT = "messages[0].content[1]"


def image(url: str) -> pb.Image:
    return pb.Image(url=url, param=AT)


async def loaded(url: str) -> bytes:
    found = image(url)
    await Images(Fetcher(Guard(""))).load([found], "project")
    assert found.WhichOneof("source") == "data"
    return found.data


async def refused(url: str) -> tuple[str | None, str]:
    """Code and message."""
    with pytest.raises(InvalidRequestError) as caught:
        await loaded(url)
    assert caught.value.param == AT
    return caught.value.code, caught.value.message


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_data_urls_become_files_whatever_they_say_they_are(form: str) -> None:
    file = picture(form=form)
    assert await loaded(data_url(file, "image/png")) == file
    assert await loaded(data_url(file, "text/plain;charset=x").replace("data:", "DATA:")) == file


@pytest.mark.parametrize(
    "url",
    ["data:image/png,abc", "data:image/png;base64", "data:image/png;base64,%%%", "data:image/png;base64,aGk", "data:",
     "data:,", "data:image/png;base64,aGk=\n", "data:image/png;base64,ａＧｋ=", "data:image/png;base64,aGk=="],
)  # fmt: skip
async def test_data_urls_that_are_none(url: str) -> None:
    assert await refused(url) == (
        "invalid_image_url",
        "The image is no base64 data: URL. Send it as `data:image/png;base64,…`.",
    )


@pytest.mark.parametrize(
    "file",
    [b"", b"hi", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://169.254.169.254/'/></svg>", b"%PDF-1.7",
     b"GIF89a" + picture(), b"\x89PNG\r\n\x1a\n" + b"<svg/>" * 9, picture(form="BMP"), picture(form="TIFF")],
)  # fmt: skip
async def test_files_that_are_no_pictures(file: bytes) -> None:
    code, message = await refused(data_url(file))
    assert code == "invalid_image"
    assert message.startswith("The image ")


async def test_bombs_are_known_by_their_head() -> None:
    assert await refused(data_url(bomb(50_000))) == (
        "invalid_image",
        "The image has more than 50 million pixels. Send a smaller one.",
    )
    assert await loaded(data_url(bomb(7_000)))


async def test_without_hosts_only_data_urls_are_taken() -> None:
    assert (await refused("https://pictures.test/a.png"))[0] == "invalid_image_url"


async def test_files_come_from_urls_too_and_all_share_one_limit() -> None:
    file = picture() + bytes(MOST_BYTES // 2)
    async with serving(saying(file)) as server:
        names = Names(pictures_test=[["127.0.0.1"]])
        guard = Guard(
            "*",
            resolve=names,
            is_allowed=lambda address: address == LOOPBACK,
            is_own=lambda _: False,
            ports={"http": server.port},
        )
        fetcher = Fetcher(guard)
        one, two = image("http://pictures.test/1"), image("http://pictures.test/2")
        await Images(fetcher).load([one], "project")
        assert one.data == file
        with pytest.raises(InvalidRequestError, match="have 20 MiB at most") as caught:
            await Images(fetcher).load([image("http://pictures.test/1"), two], "project")
        assert (caught.value.code, caught.value.param) == ("invalid_image", AT)
        await fetcher.aclose()


async def test_data_urls_share_the_limit_too() -> None:
    half = data_url(picture() + bytes(MOST_BYTES // 2))
    images = [image(half), image(half)]
    with pytest.raises(InvalidRequestError, match="20 MiB at most"):
        await Images(Fetcher(Guard(""))).load(images, "project")
    await Images(Fetcher(Guard(""))).load(images[1:], "project")


def request(*urls: str) -> pb.GenerateRequest:
    parts = [pb.Part(text="x" * 100), *(pb.Part(image=image(url)) for url in urls)]
    return pb.GenerateRequest(chat=pb.Chat(messages=[pb.Message(role="user", parts=parts)]))


def test_a_model_without_eyes_takes_none_and_no_model_any_number() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_images(images_of(request("data:")), "blind", 0)
    assert (caught.value.param, caught.value.code) == (f"{AT}.type", "unsupported_value")
    check_images(images_of(request(*["data:"] * MOST_IMAGES)), "m", 9)
    with pytest.raises(InvalidRequestError) as caught:
        check_images(images_of(request(*["data:"] * (MOST_IMAGES + 1))), "m", 9)
    assert (caught.value.param, caught.value.code) == (AT, "invalid_image")


def test_an_image_weighs_what_it_has_tokens_not_what_it_has_bytes() -> None:
    wanted = request("data:" + "x" * 100_000)
    assert 100 + 576 < weight(wanted, images_of(wanted), 576) < 100 + 576 + 100
