# One image for every process: `docker run zhiyin engine`, `docker run zhiyin gateway`, `docker run zhiyin up --demo`.
FROM python:3.12-slim AS packages
WORKDIR /build
COPY requirements/run.txt run.txt
RUN python -m venv /opt/zhiyin && /opt/zhiyin/bin/pip install --no-cache-dir --require-hashes --requirement run.txt

FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin zhiyin \
    && install --directory --owner=zhiyin --group=zhiyin --mode=0750 /var/lib/zhiyin
COPY --from=packages /opt/zhiyin /opt/zhiyin
WORKDIR /srv/zhiyin
COPY LICENSE ./
COPY pyproject.toml ./
COPY operators operators
COPY config config
COPY state state
COPY flows flows
COPY gateway gateway
COPY zhiyin zhiyin
# The root file system may be mounted read-only: everything that is written goes to the volume.
ENV PATH=/opt/zhiyin/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ZHIYIN_HOST=0.0.0.0 \
    ZHIYIN_STATE_DIR=/var/lib/zhiyin
VOLUME /var/lib/zhiyin
EXPOSE 8080 8081 9101 9102
USER 10001:10001
STOPSIGNAL SIGTERM
# True for `up` and `gateway`; deploy/compose.yaml asks the engine on its own port.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/live', timeout=3)"]
ENTRYPOINT ["python", "-m", "zhiyin"]
CMD ["up"]
