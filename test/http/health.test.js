import { once } from 'node:events';
import { createServer } from 'node:net';
import Fastify, {} from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPool, endPool } from '../../src/db/client.js';
import { createDatabase } from '../../src/db/database.js';
import { healthRoutes } from '../../src/http/health.js';
import { listExecutors } from '../../src/tasks/store/executors.js';
import { startBundledServer } from './bundled-server.js';
test('a server that runs is alive and ready', async () => {
    const server = await startBundledServer();
    try {
        const live = await server.app.inject('/health/live');
        expect([live.statusCode, live.json()]).toEqual([200, { status: 'ok' }]);
        await expect
            .poll(async () => (await server.app.inject('/health/ready')).json())
            .toEqual({ status: 'ok', reasons: [] });
    }
    finally {
        await server.close();
    }
});
test('a server that stops is alive, and says that it is not ready', async () => {
    const server = await startBundledServer();
    server.app.taskExecutor?.beginStop();
    const ready = await server.app.inject('/health/ready');
    expect(ready.headers['content-type']).toBe('application/problem+json');
    expect(ready.json()).toMatchObject({ status: 503, code: 'NOT_READY', reasons: ['shutting down'] });
    expect((await server.app.inject('/health/live')).statusCode).toBe(200);
    await server.close();
});
describe('with a database that', () => {
    let app;
    let questions = 0;
    async function startHealth(connectionString, executorReasons = () => []) {
        const pool = createPool({ connectionString });
        app = Fastify();
        app.addHook('onClose', () => endPool(pool, 100));
        const db = createDatabase(pool, { prepared: true });
        const ping = () => {
            questions++;
            return listExecutors(db);
        };
        await app.register(healthRoutes, { ping, executorReasons });
        await app.ready();
    }
    beforeEach(() => {
        questions = 0;
    });
    afterEach(() => app.close());
    test('is away, readiness is 503 with that and every other reason', async () => {
        await startHealth('postgres://nobody@127.0.0.1:1/nowhere', () => ['the poll loop is stale']);
        const ready = await app.inject('/ready');
        expect(ready.statusCode).toBe(503);
        expect(ready.json().reasons).toEqual(['the database cannot be reached', 'the poll loop is stale']);
        expect(ready.body).not.toContain('ECONNREFUSED');
    });
    describe('hangs,', () => {
        let silent;
        const sockets = new Set();
        beforeEach(async () => {
            silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
            await once(silent, 'listening');
        });
        afterEach(async () => {
            for (const socket of sockets)
                socket.destroy();
            silent.close();
        });
        test('probes answer in time and share one question', async () => {
            const { port } = silent.address();
            await startHealth(`postgres://nobody@127.0.0.1:${port}/nowhere`);
            const started = performance.now();
            const answers = await Promise.all(Array.from({ length: 5 }, () => app.inject('/ready')));
            expect(performance.now() - started).toBeLessThan(5_000);
            for (const answer of answers) {
                expect(answer.json().reasons).toEqual(['the database has not answered for 2000 ms']);
            }
            expect(questions).toBe(1);
        });
    });
});
