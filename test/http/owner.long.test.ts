import { testOwnersRequests } from './owner-requests.ts'

testOwnersRequests(5_000)
