# The Fallline server. `docker compose up` builds and starts it; docker-compose.yml also confines it.
FROM python:3.11-slim

# Training on a GPU wants another build of torch, such as https://download.pytorch.org/whl/cu130.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

# The numbers are fixed, so that files in the volume keep their owner from image to image.
RUN groupadd --gid 10001 fallline \
    && useradd --uid 10001 --gid fallline --no-create-home --home-dir /var/lib/fallline fallline \
    && install --directory --owner fallline --group fallline --mode 0710 /run/secrets \
    && install --directory --owner fallline --group fallline --mode 0700 /var/lib/fallline

WORKDIR /src

# From the largest layer, which changes least, to our own code, which changes most.
# torch alone comes from its own index; what it needs comes with the rest.
COPY constraints.txt ./
RUN pip install --no-deps --index-url "$TORCH_INDEX" --constraint constraints.txt torch

COPY pyproject.toml ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *p['optional-dependencies']['postgresql'], *p['optional-dependencies']['s3'], sep='\n')" > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt

COPY LICENSE README.md ./
COPY optimizers optimizers
COPY studies studies
COPY service service
RUN pip install --no-deps .

# Sampling runs beside the workers: threads in it would only take their cores.
ENV OMP_NUM_THREADS=1 \
    DASK_TEMPORARY_DIRECTORY=/tmp \
    FALLLINE_HOME=/var/lib/fallline \
    FALLLINE_PORT=8642

WORKDIR /var/lib/fallline
VOLUME ["/var/lib/fallline"]
USER 10001:10001
EXPOSE 8642

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FALLLINE_PORT']), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["fallline", "serve"]
