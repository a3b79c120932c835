#!/bin/sh
# Lays out the whole file system of a container: the binary, the libraries it names, the
# certificates, a user, and a folder for the data. No shell, no package manager.
#
#   deploy/stage-root.sh BINARY FOLDER
set -eu

binary=$1
root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/levada" "$root/data" "$root/tmp"
chmod 1777 "$root/tmp"
cp "$binary" "$root/usr/bin/levada"
chmod 0755 "$root/usr/bin/levada"

# Each library at the path where the loader looks for it, the loader itself included.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    cp -L --parents "$library" "$root"
done

# For object storage over TLS.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
fi

echo 'root:x:0:0:root:/:/sbin/nologin' >"$root/etc/passwd"
echo 'levada:x:65532:65532:levada:/data:/sbin/nologin' >>"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'levada:x:65532:' >>"$root/etc/group"
