# One container runs everything: serve, worker and watch under one supervisor.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock requirements-web.lock ./
RUN python -m venv /opt/mediaserver \
 && /opt/mediaserver/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock -r requirements-web.lock \
 && pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/mediaserver/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl

FROM python:3.13-slim
RUN apt-get update \
 && apt-get install --no-install-recommends -y ffmpeg postgresql-client tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 mediaserver \
 && useradd --uid 1000 --gid 1000 --home-dir /data --no-create-home mediaserver \
 && install -d -o mediaserver -g mediaserver /config /library /data
COPY --from=build /opt/mediaserver /opt/mediaserver
COPY docker/entrypoint /usr/local/bin/entrypoint
ENV PATH=/opt/mediaserver/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MEDIASERVER_DATA=/data \
    MEDIASERVER_LIBRARY__FOLDERS=/library \
    MEDIASERVER_LIBRARY__UPLOAD_FOLDER=/data/uploads \
    MEDIASERVER_SERVER__HOST=0.0.0.0 \
    MEDIASERVER_SERVER__PORT=8000
WORKDIR /config
VOLUME ["/config", "/library", "/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"MEDIASERVER_SERVER__PORT\"]}/health', timeout=4)"]
ENTRYPOINT ["entrypoint"]
CMD ["mediaserver", "run"]
