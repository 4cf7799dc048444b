# syntax=docker/dockerfile:1
# The daemon as an image: built in one stage, run in another that holds only what runs.
#   docker build -t fraiseql-observer .
#   docker run -e DATABASE_URL -e NATS_URL -v ./config:/app/config:ro -p 9464:9464 fraiseql-observer
# Configuration is read from /app/config/fraiseql.toml unless arguments say otherwise, such as --config F.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
# tini is PID 1: it passes signals on to the daemon and reaps what would else stay as zombies.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY config ./config
# The user `node`, by number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 9464
# Asks the port that FRAISEQL_HTTP_PORT names; a port set in the configuration file needs that variable as well.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.FRAISEQL_HTTP_PORT || 9464}/health`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "dist/src/main.js"]
CMD ["--config", "/app/config/fraiseql.toml"]
