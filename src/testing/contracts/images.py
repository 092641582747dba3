"""The contract of the port `Images`."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

from ...application.ports import Images, UnreadableImage

register_heif_opener()

FORMATS = ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF"]
_QUICKLY: dict[str, dict[str, object]] = {"AVIF": {"speed": 10}, "HEIF": {"enc_params": {"preset": "ultrafast"}}}
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
Colour = tuple[int, ...]


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **(_QUICKLY.get(kind, {}) | options))
    return file.getvalue()


def plain(colour: Colour = RED, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, colour)


def four_corners() -> Image.Image:
    """Returns an image with red and green above, blue and white below."""
    image = Image.new("RGB", (80, 40))
    for box, colour in {(0, 0): RED, (40, 0): GREEN, (0, 20): BLUE, (40, 20): WHITE}.items():
        image.paste(colour, (*box, box[0] + 40, box[1] + 20))
    return image


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=["WEBP"])
    image.load()
    return image


def colour_at(image: Image.Image, x: float, y: float) -> Colour:
    """Returns the colour at these fractions of width and height."""
    colour = image.getpixel((int(image.width * x), int(image.height * y)))
    assert isinstance(colour, tuple)
    return colour


def is_near(colour: Colour, wanted: Colour) -> bool:
    return len(colour) == len(wanted) and all(abs(a - b) <= 12 for a, b in zip(colour, wanted, strict=True))


def assert_corners(image: Image.Image, wanted: list[Colour]) -> None:
    found = [colour_at(image, x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    assert all(is_near(colour, one) for colour, one in zip(found, wanted, strict=True)), found


class ImagesContract:
    """The promises of every `Images`.

    Define the fixture `images`, for example with module scope. Several threads use it at once.
    """

    @pytest.mark.parametrize("kind", FORMATS)
    def test_each_format_becomes_webp(self, images: Images, kind: str) -> None:
        image = opened(images.normalise(file_of(four_corners(), kind)))
        assert (image.format, image.size, image.mode) == ("WEBP", (80, 40), "RGB")
        assert_corners(image, [RED, GREEN, BLUE, WHITE])

    @pytest.mark.parametrize(
        ("size", "becomes"), [((3000, 1500), (1024, 512)), ((500, 2000), (256, 1024)), ((20, 10), (20, 10))]
    )
    @pytest.mark.parametrize("kind", FORMATS)
    def test_large_image_is_scaled_down_and_small_image_is_not_scaled(
        self, images: Images, kind: str, size: tuple[int, int], becomes: tuple[int, int]
    ) -> None:
        assert opened(images.normalise(file_of(plain(size=size), kind))).size == becomes

    @pytest.mark.parametrize(
        ("orientation", "corners"),
        [
            (1, [RED, GREEN, BLUE, WHITE]),
            (2, [GREEN, RED, WHITE, BLUE]),
            (3, [WHITE, BLUE, GREEN, RED]),
            (6, [BLUE, RED, WHITE, GREEN]),
            (8, [GREEN, WHITE, RED, BLUE]),
        ],
    )
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_exif_orientation_is_applied(self, images: Images, kind: str, orientation: int, corners: list[Colour]) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = opened(images.normalise(file_of(four_corners(), kind, exif=exif.tobytes())))
        assert image.size == ((40, 80) if orientation >= 5 else (80, 40))
        assert_corners(image, corners)

    def test_metadata_is_removed(self, images: Images) -> None:
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "SECRET camera"
        exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 29: "SECRET date"})
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        photo = file_of(
            plain(size=(60, 40)),
            "JPEG",
            exif=exif.tobytes(),
            comment=b"SECRET comment",
            icc_profile=profile,
            xmp=b"<x>SECRET</x>",
        )
        assert photo.count(b"SECRET") == 4
        data = images.normalise(photo)
        image = opened(data)
        assert image.size == (40, 60)
        assert not dict(image.getexif())
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
        assert not any(word in data for word in (b"SECRET", b"EXIF", b"ICCP", b"XMP "))

    @pytest.mark.parametrize("kind", FORMATS)
    def test_trailing_data_is_removed(self, images: Images, kind: str) -> None:
        data = images.normalise(file_of(four_corners(), kind) + b"<script>alert(1)</script>PK\x03\x04")
        assert b"script" not in data
        assert b"PK\x03\x04" not in data
        assert opened(data).size == (80, 40)

    @pytest.mark.parametrize("data", [b"", b"a picture", b"<svg></svg>", b"\0" * 100, file_of(plain(), "PNG")[:40]])
    def test_unsupported_or_damaged_file_is_rejected_with_a_reason(self, images: Images, data: bytes) -> None:
        with pytest.raises(UnreadableImage) as refused:
            images.normalise(data)
        assert str(refused.value)

    def test_concurrent_images_are_not_mixed_up(self, images: Images) -> None:
        colours = [(255, 40 * number, 0) for number in range(6)]
        with ThreadPoolExecutor(6) as threads:
            made = list(threads.map(lambda colour: images.normalise(file_of(plain(colour), "PNG")), colours))
        found = [colour_at(opened(one), 0.5, 0.5) for one in made]
        assert all(is_near(colour, wanted) for colour, wanted in zip(found, colours, strict=True)), found
