#!/bin/sh
# make fuzz: every target for FUZZ_SECONDS. With clang's engine, which follows coverage, where clang can link it;
# otherwise with the driver, which only mutates, in rounds until the time is over. New inputs go to BUILD/corpus.
set -eu
: "$MAKE" "$SRC" "$BUILD" "$FUZZ_SECONDS"
mkdir -p "$BUILD"

clang=${CLANG:-clang++}
have_engine() {
    command -v "$clang" >/dev/null 2>&1 || return 1
    echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$BUILD/probe.cc"
    "$clang" -fsanitize=fuzzer,address -o "$BUILD/probe" "$BUILD/probe.cc" >/dev/null 2>&1
}

if have_engine; then
    engine=yes
    # -rtlib and friends stay out: config.mk's flags were chosen for another compiler.
    "$MAKE" BUILD="$BUILD" PRECOMPILED= BUNDLE= CXX="$clang" LINK_STATIC= LDFLAGS= FUZZ_MAIN= FUZZ_FLAGS=-fsanitize=fuzzer \
        CXXFLAGS='-O1 -g -D_GLIBCXX_ASSERTIONS -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all' fuzzers all
else
    engine=no
    echo "no clang with libFuzzer here: inputs are mutated without regard to coverage"
    "$MAKE" BUILD="$BUILD" PRECOMPILED= BUNDLE= LINK_STATIC= LDFLAGS=-fsanitize=address,undefined \
        CXXFLAGS='-O1 -g -D_GLIBCXX_ASSERTIONS -fsanitize=address,undefined -fno-sanitize-recover=all' fuzzers all
fi

top=$(cd "$SRC" && pwd)
failed=0
targets=0
for target in "$BUILD"/fuzz/*; do
    [ -x "$target" ] && [ ! -d "$target" ] || continue
    targets=$((targets + 1))
    name=$(basename "$target")
    program=$(cd "$BUILD/fuzz" && pwd)/$name
    seeds=$top/tests/fuzz/corpus/$name
    found=$BUILD/corpus/$name
    mkdir -p "$found"
    echo "== $name, $FUZZ_SECONDS seconds"
    if [ $engine = yes ]; then
        set -- "-max_total_time=$FUZZ_SECONDS" -print_final_stats=1 -verbosity=0 -rss_limit_mb=1024 "$(cd "$found" && pwd)"
        [ ! -d "$seeds" ] || set -- "$@" "$seeds"
        (cd "$found/.." && "$program" "$@") || failed=$((failed + 1))
    else
        end=$(($(date +%s) + FUZZ_SECONDS))
        seed=1
        while [ "$(date +%s)" -lt "$end" ]; do
            set -- -n 20000 -s $seed
            [ ! -d "$seeds" ] || set -- "$@" "$seeds"
            "$program" "$@" || { failed=$((failed + 1)) && break; }
            seed=$((seed + 1))
        done
    fi
done
# Whole dialogues, with a server that has the sanitizers too.
echo "== dialogues, $FUZZ_SECONDS seconds each: plain, TLS, submission"
targets=$((targets + 1))
"${PYTHON:-/usr/bin/python3}" "$top/tests/fuzz/dialogues.py" "$BUILD/postoffice" "$FUZZ_SECONDS" || failed=$((failed + 1))
echo "$targets targets fuzzed, $failed failed"
[ "$failed" = 0 ]
