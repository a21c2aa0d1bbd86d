# For the scripts that show their work: prints a pipeline as one would type it, then runs it.
# The line is ours; what comes from outside reaches it only through the variables named after it.
#
#   show 'gx-list "$images" | wc -l' images
show() {
  local line=$1 name
  shift
  local text=$line
  for name in "$@"; do text=${text//\"\$$name\"/$(printf %q "${!name}")}; done
  printf '\n\033[1m$ %s\033[0m\n' "$text" >&2
  eval "$line"
}
