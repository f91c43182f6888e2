import { testRandomRequests } from './fuzz.ts'

testRandomRequests(1_000, [200, 201, 400, 404, 409])
