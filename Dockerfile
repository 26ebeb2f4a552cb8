# hsmgate as a container. Build: docker build -t hsmgate .    Run: docker-compose.yml, docs/operations.md#container
ARG BASE=debian:12-slim

FROM ${BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils python3 python3-venv \
    && python3 -m venv /opt/hsmgate
WORKDIR /src
# the locked packages first: they change less often than the program
COPY requirements/main.txt requirements/
RUN /opt/hsmgate/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/main.txt
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
# symbols for debuggers, pip and setuptools are not needed where it runs
RUN /opt/hsmgate/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/hsmgate/bin/pip uninstall -y -q setuptools pip \
    && find /opt/hsmgate -name '*.cpython-*.so' -exec strip --strip-unneeded {} + \
    && python3 -m compileall -q -f --invalidation-mode unchecked-hash /opt/hsmgate/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="hsmgate" \
    org.opencontainers.image.description="One REST API, guarded by mutual TLS, in front of the keys of an HSM" \
    org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
    && install -d -o 10001 -g 10001 /etc/app/config /etc/app/output
COPY --from=build /opt/hsmgate /opt/hsmgate
# What it writes goes to /etc/app/output, so that /etc/app/config may be read-only; sockets work in any /tmp.
ENV PATH=/opt/hsmgate/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    HSMGATE_DATA_DIR=/etc/app/output \
    HSMGATE_HEALTH_SOCKET=/tmp/hsmgate-health.sock
USER 10001:10001
WORKDIR /etc/app
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=12s --start-period=30s CMD ["hsmgate", "health"]
# tini: the kernel gives the first process of a container no signal that it does not handle yet
ENTRYPOINT ["tini", "--", "hsmgate"]
CMD ["serve"]
