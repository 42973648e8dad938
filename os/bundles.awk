# Makefile.in: groups sources into bundles, files that include up to `size` sources and are compiled as one. Reads paths of
# sources, one a line; writes the bundles that changed below `build`, and prints the names of their objects. A bundle has
# sources of one folder; of one folder and initial with by=initial.

{
    path = substr($0, length(src) + 2)
    match(path, by == "initial" ? ".*/[^/]" : ".*/")
    group = substr(path, 1, RLENGTH)
    if (members[group] % size == 0) {
        bundle = group "_bundle" (members[group] / size + 1)
        sub("^src/", "", bundle)
        current[group] = bundles[++count] = build "/" bundle
    }
    ++members[group]
    text[current[group]] = text[current[group]] "#include \"" path "\"\n"
}

END {
    for (i = 1; i <= count; ++i) {
        write_if_changed(bundles[i] ".cc", text[bundles[i]])
        print bundles[i] ".o"
    }
}

# A bundle that is the same keeps its time, and is not compiled again.
function write_if_changed(file, wanted,    folder, line, found) {
    while ((getline line < file) > 0) found = found line "\n"
    close(file)
    if (found == wanted) return
    folder = file
    sub("/[^/]*$", "", folder)
    system("mkdir -p '" folder "'")
    printf "%s", wanted > file
    close(file)
}
