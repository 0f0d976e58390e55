# syntax=docker/dockerfile:1
# See docs/deployment.md. The compiler is the one of rust-version in Cargo.toml.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches are the builder's own and never part of an image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --package pugmark \
    && install -D target/dist/pugmark /out/pugmark

# The same release of Debian as the compiler's image, for the same C library.
FROM debian:bookworm-slim
# Certificates of public authorities: vTiger, Supabase and Maxio are reached by https. Time zones are built into the program.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/pugmark /usr/local/bin/pugmark
# The number is fixed, so that runAsNonRoot can be checked, and volumes be given away, without looking into the image.
RUN useradd --uid 10001 --home-dir /var/lib/pugmark --create-home --shell /usr/sbin/nologin pugmark
USER 10001:10001
WORKDIR /var/lib/pugmark
VOLUME /var/lib/pugmark
# A container's loopback is its own: without this nobody could reach the API. Publish it behind a proxy with TLS.
ENV HOST=0.0.0.0 PORT=3000 PUGMARK_HEALTH=0.0.0.0:3001 \
    DATABASE_URL=sqlite:/var/lib/pugmark/pugmark.db \
    PUGMARK_LOG=json
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
# Migrating a large store may take longer than the start period; what is starting is then shown as unhealthy, but goes on.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["pugmark", "health"]
ENTRYPOINT ["pugmark"]
CMD ["serve"]
