"""Three variants of one completion, side by side: `./run python examples/variants.py variants.png`."""

import sys
from pathlib import Path

from alm_image import inpaint
from PIL import Image

HERE = Path(__file__).parent / "images"
SIDE = 64


def main(output: str) -> None:
    """Writes the picture with its hole, then three fills of it."""
    image, mask = (Image.open(HERE / name).resize((SIDE, SIDE)) for name in ("lake.png", "lake-mask.png"))
    result = inpaint(image, mask, count=3, steps=10)
    masked = Image.composite(Image.new("RGB", image.size, "white"), image, mask)
    sheet = Image.new("RGB", (4 * SIDE, SIDE))
    for place, picture in enumerate([masked, *result.images]):
        sheet.paste(picture, (place * SIDE, 0))
    sheet.save(output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "variants.png")
