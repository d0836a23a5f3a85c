# shellcheck shell=bash
# Sourced by suites that are made from Debian's (or Ubuntu's) source packages.

# debian_source DIR PACKAGE [UPSTREAM]: unpacks the newest source package that can be had, of this upstream version if one is
# given, into DIR/PACKAGE and prints its version. The machine's own apt sources are asked for sources, in lists of their
# own, so that neither root nor a change to the machine's settings is needed.
debian_source() {
    local directory=$1 package=$2 upstream=${3-} version
    local apt="$directory/apt"
    if [ -s "$directory/$package.version" ] && [ -d "$directory/$package" ]; then
        cat "$directory/$package.version"
        return
    fi
    rm -rf "$apt" "${directory:?}/$package" "$directory/unpack"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources" "$directory/unpack"
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        if [ -f "$file" ]; then
            sed -n 's/^deb[[:space:]]/deb-src /p' "$file" >"$apt/sources/$(basename "$file" .list).list"
        fi
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        if [ -f "$file" ]; then sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources/$(basename "$file")"; fi
    done
    local options=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::Cache=$apt/cache"
        -o "Dir::State::Lists=$apt/lists" -o "APT::Sandbox::User=$(id -un)")
    # A source of binary packages only makes this fail; what counts is whether the package can be had.
    timeout 200 apt-get "${options[@]}" update >/dev/null 2>&1 || true
    for version in $(apt-cache "${options[@]}" showsrc "$package" 2>/dev/null | sed -n 's/^Version: //p' | sort -Vru); do
        case $version in "$upstream"*) ;; *) continue ;; esac
        if (cd "$directory/unpack" && timeout 200 apt-get "${options[@]}" source "$package=$version") >/dev/null 2>&1; then
            mv "$directory/unpack"/*/ "$directory/$package"
            rm -rf "$apt" "$directory/unpack"
            echo "$version" | tee "$directory/$package.version"
            return
        fi
        rm -rf "$directory/unpack"
        mkdir "$directory/unpack"
    done
    echo "no source package $package${upstream:+ of version $upstream} can be downloaded by apt-get" >&2
    return 1
}

# debian_binary DIR PACKAGE UPSTREAM: unpacks the newest package of this upstream version into DIR/root and installs nothing.
debian_binary() {
    local directory=$1 package=$2 upstream=$3 version
    rm -rf "$directory/unpack"
    mkdir -p "$directory/unpack" "$directory/root"
    for version in $(apt-cache madison "$package" 2>/dev/null | awk -F'|' '{ print $2 }' | tr -d ' ' | sort -Vru); do
        case $version in "$upstream"*) ;; *) continue ;; esac
        if (cd "$directory/unpack" && timeout 200 apt-get -qq -o "APT::Sandbox::User=$(id -un)" download "$package=$version") \
            >/dev/null 2>&1; then
            dpkg-deb -x "$directory/unpack"/*.deb "$directory/root"
            rm -rf "$directory/unpack"
            return
        fi
    done
    echo "no package $package of version $upstream can be downloaded by apt-get; 'apt-get update' may help" >&2
    return 1
}
