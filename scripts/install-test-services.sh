#!/bin/sh
# Installs Debian packages that the tests need and npm does not bring. Without arguments: all of them.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "Run this as root: sudo $0 $*" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "This needs apt-get (Debian or a relative of it)." >&2; exit 1; }
[ $# -gt 0 ] || set -- redis-server postgresql-15 pgbouncer chromium

echo "Installing for the tests: $*"
export DEBIAN_FRONTEND=noninteractive
# The tests start servers of their own: those of the packages must not start, nor keep the ports. A policy that is there stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@"
echo "Installed: $*"
