# To be sourced by bash, after `make setup`: the environment that everything of this package runs in.
_tardal_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
_tardal_folder=$("${PYTHON:-python3}" "$_tardal_root/tools/set_up.py" --folder) || return
if [ ! -e "$_tardal_folder/install/built" ]; then
    echo "Nothing is set up in $_tardal_folder yet: run \`make setup\` first." >&2
    return 1
fi
source "$_tardal_folder/venv/bin/activate"
source "$_tardal_folder/install/setup.bash"
unset _tardal_root _tardal_folder
