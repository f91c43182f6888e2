import { channel } from 'node:diagnostics_channel';
import { hashPassword } from '../../src/accounts/passwords.js';
import { insertUser } from '../../src/accounts/store.js';
import { buildApp } from '../../src/app.js';
import { parseConfig } from '../../src/config.js';
import { createTestDatabase } from '../support/database.js';
export const ADMIN = { username: 'admin', password: 'correct horse battery staple' };
export const USER = { username: 'visitor', password: 'only looking' };
/** The bundled server on a database of its own, with an admin and somebody who is none. */
export async function startBundledServer(options = {}) {
    const database = await createTestDatabase('server');
    const config = parseConfig({ LOG_LEVEL: 'silent', ADMIN_PASSWORD: ADMIN.password, ...options.env });
    const { result: app, routes } = await recordRoutes(() => buildApp(config, { databaseUrl: database.url, tasks: options.tasks ?? [] }));
    await app.ready();
    await addUser(database, USER, 'user');
    const adminToken = await logIn(app, ADMIN);
    const userToken = await logIn(app, USER);
    return {
        app,
        database,
        routes,
        asAdmin: (request) => app.inject(withToken(request, adminToken)),
        asUser: (request) => app.inject(withToken(request, userToken)),
        async close() {
            await app.close();
            await database.drop();
        },
    };
}
export async function addUser(database, { username, password }, role) {
    await insertUser(database.pool, {
        id: `id-of-${username}`,
        username,
        role,
        passwordHash: await hashPassword(password),
    });
}
export function postLogin(app, payload) {
    return app.inject({ method: 'POST', url: '/api/admin/auth/login', payload });
}
export async function logIn(app, credentials) {
    const answer = await postLogin(app, credentials);
    if (answer.statusCode !== 200)
        throw new Error(`log-in answered ${answer.statusCode}: ${answer.body}`);
    return answer.json().token;
}
export function withToken(request, token) {
    return { ...request, headers: { authorization: `Bearer ${token}`, ...request.headers } };
}
/** Fastify announces each instance before anything is registered on it. */
async function recordRoutes(build) {
    const routes = [];
    const listen = (message) => {
        const { fastify } = message;
        fastify.addHook('onRoute', (route) => {
            routes.push(route);
        });
    };
    const created = channel('fastify.initialization');
    created.subscribe(listen);
    try {
        return { result: await build(), routes };
    }
    finally {
        created.unsubscribe(listen);
    }
}
