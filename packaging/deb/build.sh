#!/bin/sh
# Build a Debian package of sigtrace and the Python packages it needs, for the Python of this Debian:
#     sh packaging/deb/build.sh [FOLDER]
# It needs python3, pip and dpkg-deb. The package depends on the distribution's python3 and python3-bpfcc.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)
python=${PYTHON:-/usr/bin/python3}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$root/sigtrace/__init__.py")
of_debian=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
architecture=$(dpkg --print-architecture)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

"$python" -m pip -qq --disable-pip-version-check install --no-compile --only-binary :all: --python-version "$of_debian" \
    --target "$tree/usr/lib/sigtrace" ${WHEEL:-"$root"/dist/sigtrace-*.whl}
rm -rf "$tree/usr/lib/sigtrace/bin"
# A service may write nothing there: without this, each of its processes would compile all that it imports.
/usr/bin/python3 -m compileall -q -s "$tree" -p / "$tree/usr/lib/sigtrace"
mv "$tree/usr/lib/sigtrace/share" "$tree/usr/share"
mv "$tree/usr/share/zsh/site-functions" "$tree/usr/share/zsh/vendor-completions" # where Debian's zsh looks
gzip -9n "$tree"/usr/share/man/man1/*.1
mkdir -p "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/usr/share/doc/sigtrace" "$tree/DEBIAN"
cat >"$tree/usr/bin/sigtrace" <<'END'
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/usr/lib/sigtrace")

from sigtrace.cli import run

run()
END
chmod 755 "$tree/usr/bin/sigtrace"
cp "$root/packaging/sigtrace.service" "$tree/usr/lib/systemd/system/"
cp "$root/README.md" "$root/CHANGELOG.md" "$root/LICENSE" "$tree/usr/share/doc/sigtrace/" 2>/dev/null || true
cp "$root"/packaging/deb/postinst "$root"/packaging/deb/prerm "$root"/packaging/deb/postrm "$tree/DEBIAN/"
chmod 755 "$tree"/DEBIAN/*
cat >"$tree/DEBIAN/control" <<END
Package: sigtrace
Version: $version
Architecture: $architecture
Maintainer: The founders of sigtrace <sigtrace@localhost>
Section: admin
Priority: optional
Depends: python3 (>= $of_debian), python3 (<< $next), python3-bpfcc
Recommends: systemd
Installed-Size: $(du -sk "$tree" | cut -f1)
Description: who killed whom, with what, and how do you know?
 Records who sends which signal to whom and how each process ends, and answers
 who ended what, with the lines of the log that prove it. The service keeps the
 latest days: sudo systemctl enable --now sigtrace
END
chmod -R u=rwX,go=rX "$tree"
dpkg-deb -Zzstd -z3 --root-owner-group --build "$tree" "$out/sigtrace_${version}_$architecture.deb"
