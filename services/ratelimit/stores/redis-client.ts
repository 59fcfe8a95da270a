import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { Cluster, Redis } from "ioredis";
import { ConfigError } from "../../../lib/config.js";
import type { RatelimitConfig } from "../config.js";

const reconnectMsMax = 1_000;
/** How soon a client learns of a failover in a Cluster that no answer told it of. */
const slotsRefreshMs = 2_000;
/** Of one command in a Cluster, within its time: a slot on its way to another node asks to try again. */
const redirectionsMax = 16;
const tryAgainMs = 10;

export type RedisSettings = Pick<
  RatelimitConfig,
  | "redisUrl"
  | "redisCluster"
  | "redisSentinels"
  | "redisSentinelName"
  | "redisSentinelPassword"
  | "redisUsername"
  | "redisPassword"
  | "redisHasTls"
  | "redisTlsCaFile"
  | "redisTlsCertFile"
  | "redisTlsKeyFile"
  | "redisTimeoutMs"
>;

/** A client of the Redis that is configured, by one of its three ways; undefined if none is. */
export function openRedisClient(settings: RedisSettings): Redis | Cluster | undefined {
  const { redisUrl, redisCluster, redisSentinels } = settings;
  const ways = [redisUrl, redisCluster, redisSentinels].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new ConfigError(["only one of REDIS_URL, REDIS_CLUSTER and REDIS_SENTINELS can be set"]);
  }
  if (redisUrl !== undefined) {
    const url = redisUrl.reveal();
    return new Redis(url, optionsOf(settings, settings.redisHasTls || url.startsWith("rediss:")));
  }
  if (redisCluster !== undefined) return openCluster(settings, redisCluster);
  if (redisSentinels !== undefined) return new Redis(sentinelOptionsOf(settings, redisSentinels));
  return undefined;
}

function openCluster(settings: RedisSettings, addresses: readonly string[]): Cluster {
  const seeds = readAddresses("REDIS_CLUSTER", addresses);
  const cluster = new Cluster([...seeds], {
    enableOfflineQueue: false,
    // A command whose connection was closed may have run.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: tryAgainMs,
    maxRedirections: redirectionsMax,
    slotsRefreshInterval: slotsRefreshMs,
    clusterRetryStrategy: retryMs,
    clusterNodeRetryStrategy: retryMs,
    redisOptions: commonOptionsOf(settings, settings.redisHasTls),
  });
  // A node that has just joined, or that becomes a primary, is connected before it is needed.
  cluster.on("+node", (node: Redis) => {
    node.connect().catch(() => {
      // It is tried again, and says so by its own events.
    });
  });
  return cluster;
}

function sentinelOptionsOf(settings: RedisSettings, addresses: readonly string[]) {
  const { redisSentinelName, redisSentinelPassword, redisHasTls } = settings;
  const options = optionsOf(settings, redisHasTls);
  return {
    ...options,
    sentinels: [...readAddresses("REDIS_SENTINELS", addresses)],
    name: redisSentinelName,
    // Sentinels announce a failover: waiting for the old primary to close the connection would take longer.
    failoverDetector: true,
    sentinelRetryStrategy: retryMs,
    sentinelCommandTimeout: Math.max(settings.redisTimeoutMs, 1_000),
    enableTLSForSentinelMode: redisHasTls,
    ...(options.tls === undefined ? {} : { sentinelTLS: options.tls }),
    ...(redisSentinelPassword === undefined
      ? {}
      : { sentinelPassword: redisSentinelPassword.reveal() }),
  };
}

function optionsOf(settings: RedisSettings, hasTls: boolean) {
  return {
    ...commonOptionsOf(settings, hasTls),
    // A call that failed here must not be spent later: nothing waits for a connection, nothing is sent again.
    enableOfflineQueue: false,
    // After a failover this may still be the connection to the old primary.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
    retryStrategy: retryMs,
  };
}

/** Of each connection, also of those that a Cluster opens. */
function commonOptionsOf(settings: RedisSettings, hasTls: boolean) {
  const { redisTimeoutMs, redisUsername, redisPassword } = settings;
  return {
    commandTimeout: redisTimeoutMs,
    connectTimeout: Math.max(redisTimeoutMs, 1_000),
    // A Redis that takes bytes and answers nothing: away with the connection, and with what waits on it.
    socketTimeout: redisTimeoutMs * 4,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    ...(redisUsername === undefined ? {} : { username: redisUsername }),
    ...(redisPassword === undefined ? {} : { password: redisPassword.reveal() }),
    ...(hasTls ? { tls: tlsOptionsOf(settings) } : {}),
  };
}

function retryMs(attempt: number): number {
  return Math.min(2 ** Math.min(attempt, 10) * 10, reconnectMsMax);
}

function tlsOptionsOf(settings: RedisSettings): ConnectionOptions {
  const { redisTlsCaFile, redisTlsCertFile, redisTlsKeyFile } = settings;
  const ca = readTlsFile("REDIS_TLS_CA_FILE", redisTlsCaFile);
  const cert = readTlsFile("REDIS_TLS_CERT_FILE", redisTlsCertFile);
  const key = readTlsFile("REDIS_TLS_KEY_FILE", redisTlsKeyFile);
  return { ...ca("ca"), ...cert("cert"), ...key("key") };
}

/** The file's bytes as an option of TLS, or no option. */
function readTlsFile(env: string, file: string | undefined) {
  if (file === undefined) return () => ({});
  try {
    const bytes = readFileSync(file);
    return (name: string) => ({ [name]: bytes });
  } catch (error) {
    throw new ConfigError([`${env}: ${(error as Error).message}`]);
  }
}

function readAddresses(env: string, addresses: readonly string[]) {
  return addresses.map((address) => {
    const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:@/\s]+)):(\d{1,5})$/.exec(address);
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      throw new ConfigError([`${env}: expected host:port, separated by commas`]);
    }
    return { host: match[1] ?? match[2] ?? "", port };
  });
}
