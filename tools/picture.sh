#!/bin/sh
# Draw docs/report.png, the picture in README.md: the top of a report as a browser shows it, in light mode.
# Usage: sh tools/picture.sh PYTHON
set -eu
place=$(mktemp -d)
trap 'rm -r "$place"' EXIT
"$1" -m sigtrace report notebooks/data/scene.parquet --html "$place/page.html" >&2
chromium --headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars --user-data-dir="$place/profile" \
    --blink-settings=preferredColorScheme=1 --force-device-scale-factor=2 --window-size=1000,945 \
    --screenshot="$place/page.png" "file://$place/page.html" 2> "$place/errors" || { cat "$place/errors" >&2; exit 1; }
# Octrees keep the few colours that are not grey.
"$1" - "$place/page.png" docs/report.png <<'PYTHON'
import sys
from PIL import Image

page = Image.open(sys.argv[1]).convert("RGB")
page.quantize(256, Image.Quantize.FASTOCTREE).save(sys.argv[2], optimize=True)
PYTHON
