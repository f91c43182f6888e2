import { testRandomRequests } from './fuzz.ts'

testRandomRequests(5_000, [200, 201, 204, 400, 404, 405, 409, 413, 415])
