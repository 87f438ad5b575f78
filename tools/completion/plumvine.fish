# Completion of fish: asks that of bash, which is installed beside it.
set -g __plumvine_script (dirname (status filename))/../../bash-completion/completions/plumvine
function __plumvine_candidates
    bash -c 'source "$0" && _plumvine_candidates "$@"' $__plumvine_script (commandline -opc) (commandline -ct)
end
for program in plumvine plumvined plumvine-sim plumvine-bench
    complete --command $program --no-files --arguments '(__plumvine_candidates)'
end
