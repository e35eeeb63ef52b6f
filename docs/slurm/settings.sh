# Read by the jobs, and by whoever starts the server: . ./settings.sh

# A folder that all machines see under the same path, and nobody else can read.
shared=/shared/fallline
# Fallline is installed once, for all: they have the same versions.
export PATH="$shared/venv/bin:$PATH"
export FALLLINE_CERTIFICATES="$shared/certificates"
export FALLLINE_STORE="file://$shared/blobs"
# The machine of the scheduler. Its name must stay the same: whoever lost it comes back to it.
export FALLLINE_CLUSTER=tls://node001.example.org:8786
# Waves of one study at a time: as many as there are processes, 16 in each of 8 jobs.
export FALLLINE_WORKERS=128
