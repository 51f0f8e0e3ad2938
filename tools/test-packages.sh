#!/bin/sh
# Debian packages that only tests of real programs need. Without root (or without Debian) nothing
# happens, and the tests that need them skip and say so.
set -u
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 0
wanted=""
command -v bwrap >/dev/null 2>&1 || wanted="$wanted bubblewrap"
command -v git >/dev/null 2>&1 || wanted="$wanted git"
command -v curl >/dev/null 2>&1 || wanted="$wanted curl"
command -v nginx >/dev/null 2>&1 || wanted="$wanted nginx-light"
command -v prometheus >/dev/null 2>&1 || wanted="$wanted prometheus"
command -v slurmrestd >/dev/null 2>&1 || wanted="$wanted slurm-wlm slurmctld slurmd slurmrestd munge slurm-client slurm-wlm-jwt-plugin"
[ -z "$wanted" ] && exit 0
echo "Installing for the tests:$wanted"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted; } >/dev/null 2>&1 \
  || echo "Could not install$wanted; the tests that need it will skip."
