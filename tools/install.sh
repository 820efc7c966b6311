#!/bin/sh
# As root on Debian or Ubuntu, install what is missing of the packages.txt beside this file, for those who are named:
# sh tools/install.sh recording tests. Elsewhere do nothing: what is missing then, `sigtrace doctor` or a test says.
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0

missing=
while read -r package who sign; do
    case " $* " in *" $who "*) ;; *) continue ;; esac
    case $sign in
        /*) for path in $sign; do [ -e "$path" ] && continue 2; done ;;
        *) command -v "$sign" >/dev/null && continue ;;
    esac
    missing="$missing $package"
done <"$(dirname "$0")/packages.txt"
[ "$missing" ] || exit 0

echo "Installing with apt-get, for $*:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
install="apt-get -qq install -y --no-install-recommends"
apt-get -qq update >/dev/null 2>&1
$install $missing >/dev/null 2>&1 && exit 0
for package in $missing; do  # Ubuntu has Chromium by another name
    $install "$package" >/dev/null 2>&1 || echo "apt-get cannot install $package; what needs it will say so." >&2
done
exit 0
