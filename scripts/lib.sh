# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this
# What the test scripts share. A script defines `usage`, goes to the project's root and sources this.

# no_options ARGUMENT...: for a script that takes none but --help.
no_options() {
    case "${1-}" in
        "") ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
}

# keep_option ARGUMENT...: for a script that takes --keep alone; $keep is yes or no.
keep_option() {
    keep=no
    if [ "${1-}" = --keep ]; then keep=yes; else no_options "$@"; fi
}

# find_library: the library under test, as $library.
find_library() {
    library=$(realpath -m "${SOCKHOP_LIB:-target/release/libsockhop.so}")
    [ -f "$library" ] || fail "$library is not there; cargo build --release makes it"
}

# fail SENTENCE: ends the script, which cannot do its work.
fail() {
    echo "$(basename "$0" .sh): $1" >&2
    exit 1
}

# clean_environment: nothing preloaded, and none of Sockhop's settings.
clean_environment() { clean_all_but -; }

# clean_all_but NAME...: the same, but for the settings that are named.
clean_all_but() {
    local variable
    for variable in $(compgen -e | grep '^SOCKHOP_' || true); do
        case " $* " in *" $variable "*) ;; *) unset "$variable" ;; esac
    done
    unset LD_PRELOAD
}

# no_proxies: programs that fetch something go to whom they are told to.
no_proxies() {
    unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
}
